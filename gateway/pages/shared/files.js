/**
 * Files that a tool returned with its result, or that came with a message: images and audio inline, everything else as a
 * download.
 *
 * Rule: files are loaded only from this server's file route; any other address is shown as text.
 */
import { h, icon, keyed } from './dom.js';
import { bytes as size } from './format.js';
import { link } from './links.js';

/** `{tenant}/{session}/{sha256}`, as a result references a file. */
const URI = /^[\w.~:-]{1,200}\/([\w.~:-]{1,200})\/([0-9a-f]{64})$/;
const TYPES = ['image', 'audio', 'resource', 'file'];
/** How deep in a result files are searched, and how many are shown. */
const DEEPEST = 8;
const MOST = 50;

/** The files that a tool's result references, {path, kind: 'image'|'audio'|'other', media_type, bytes, of}. Pure. */
export function filesOf(result) {
  const output = result?.is_error ? result.output?.content : result?.output;
  return found(output, DEEPEST).slice(0, MOST);
}

function found(value, depth) {
  if (value === null || typeof value !== 'object' || depth === 0) return [];
  const file = Array.isArray(value) ? null : fileOf(value);
  return file ? [file] : Object.values(value).flatMap((inner) => found(inner, depth - 1));
}

/** The file that a part of a message references, as `filesOf` gives it; null where it lies elsewhere. Pure. */
export function fileOfPart(part) {
  const file = fileOf(part);
  return file && { ...file, path: `${file.path}?name=${encodeURIComponent(part.name)}`, of: part.name };
}

/** A file of a message: as `fileOfPart` gives it, or one that is only on its way, with its `preview`. */
export function messageFile({ name, media_type: type, bytes = null, preview = null, ...part }) {
  const file = fileOfPart({ ...part, name, media_type: type, bytes });
  if (file) return make(file, name);
  if (preview) return h('img', { src: preview, alt: name });
  const about = [type, bytes !== null && size(bytes)].filter(Boolean).join(', ');
  return h('p', { class: 'file' }, icon('file'), link(part.uri ?? '', [name]) ?? name, h('span', { class: 'faint' }, about));
}

/** Shows the files of a call of the tool `name`; unchanged files keep their nodes, so audio keeps playing. */
export function drawFiles(container, result, name) {
  const files = filesOf(result).map((file, index) => ({ file, index }));
  keyed(container, files, {
    key: ({ file, index }) => `${index} ${file.path}`,
    make: ({ file, index }) => h('li', {}, make(file, files.length > 1 ? `${index + 1} of ${name}` : `of ${name}`)),
  });
}

function fileOf(entry) {
  const [, session, sha256] = (typeof entry?.uri === 'string' && TYPES.includes(entry.type) && URI.exec(entry.uri)) || [];
  if (!sha256 || session === '.' || session === '..') return null;
  const { media_type: told, bytes = null, of = null } = entry;
  const type = typeof told === 'string' ? told.toLowerCase() : '';
  const kind = type.startsWith('image/') ? 'image' : type.startsWith('audio/') ? 'audio' : 'other';
  return { path: `/v1/sessions/${encodeURIComponent(session)}/files/${sha256}`, kind, media_type: type, bytes, of };
}

function make(file, which) {
  // A file that the server does not confirm as image or audio is served as a download only.
  const instead = (event) => event.target.closest('li').replaceChildren(download(file));
  if (file.kind === 'image') {
    const picture = h('img', { src: file.path, alt: `Image ${which}`, loading: 'lazy', decoding: 'async', onerror: instead });
    return h('a', { href: file.path, target: '_blank', rel: 'noopener noreferrer' }, picture);
  }
  if (file.kind === 'audio')
    return h('audio', { src: file.path, controls: true, preload: 'none', 'aria-label': `Sound ${which}`, onerror: instead });
  return download(file);
}

function download({ path, media_type: type, bytes, of }) {
  const name = (typeof of === 'string' && of.split(/[/\\]/).findLast(Boolean)) || 'File';
  const about = [type, Number.isFinite(bytes) && size(bytes)].filter(Boolean).join(', ');
  return h('p', { class: 'file' }, icon('file'), h('a', { href: path, download: name }, name), about && h('span', { class: 'faint' }, about));
}
