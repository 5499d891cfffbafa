/**
 * What is said once more, with its files.
 *
 * Rule: a message takes uploads and addresses, so a file that a session keeps is uploaded anew.
 */
import { fileOfPart } from '../shared/files.js';

/** The content of a message, {text} or {parts}. `files`: [{uri, name, media_type}] */
export function contentOf(text, files) {
  if (!files.length) return { text };
  return { parts: [...files.map(filePart), ...(text ? [{ type: 'text', text }] : [])] };
}

/** The content of a message with other words and the same files. Throws if a file can no longer be read. */
export async function withFiles(client, text, files) {
  return contentOf(text, await uploaded(client, files));
}

/** Files of a message, as another message can have them. */
export function uploaded(client, files) {
  return Promise.all(files.map((part) => uploadedFile(client, part)));
}

async function uploadedFile(client, part) {
  const file = fileOfPart({ ...part, type: 'file' });
  if (!file) return part;
  const response = await client.request(`${client.baseUrl}${file.path}`);
  if (!response.ok) throw new Error(`The file ${part.name} could not be read.`);
  return client.upload(await response.blob(), { name: part.name });
}

/** What lies elsewhere says its type; of an upload its content does. */
const filePart = ({ uri, name, media_type: type }) => ({ type: 'file', uri, name, ...(/^https?:/.test(uri) && { media_type: type }) });
