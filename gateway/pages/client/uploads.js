/**
 * Uploads of files, before a message names them.
 *
 * Rule: a browser's upload reports its progress, which `fetch` cannot do; anywhere else `fetch` does it.
 */
import { seconds } from './requests.js';

/**
 * Uploads `file` (a File or Blob) for `client` → {uri, media_type, name, bytes}. `onProgress` gets a fraction. Rejects as
 * `failure(status, problem, retryAfter)` says, with status 0 where nobody answered.
 */
export async function upload(client, file, { name = file.name ?? '', onProgress = () => {}, signal, failure }) {
  const url = `${client.baseUrl}/v1/files?name=${encodeURIComponent(name)}`;
  const type = { Accept: 'application/json', 'Content-Type': file.type || 'application/octet-stream' };
  const send = () => {
    const headers = { ...client.headers, ...type };
    return globalThis.XMLHttpRequest
      ? byXhr(url, headers, file, { onProgress, signal })
      : byFetch(client, url, headers, file, signal);
  };
  const { status, text, retryAfter } = await client.renewal.around(send, client.headers);
  const answer = parsed(text);
  if (status === 200) return answer;
  throw failure(status, answer, seconds(retryAfter));
}

function byXhr(url, headers, body, { onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', url);
    Object.entries(headers).forEach(([name, value]) => request.setRequestHeader(name, value));
    request.upload.onprogress = ({ loaded, total }) => total && onProgress(loaded / total);
    request.onload = () => resolve({ status: request.status, text: request.responseText, retryAfter: request.getResponseHeader('Retry-After') });
    request.onerror = () => resolve({ status: 0, text: '' });
    request.onabort = () => reject(signal?.reason ?? new DOMException('aborted', 'AbortError'));
    signal?.addEventListener('abort', () => request.abort(), { once: true });
    request.send(body);
  });
}

async function byFetch(client, url, headers, body, signal) {
  const response = await client.fetch(url, { method: 'POST', headers, body, signal, cache: 'no-store' });
  return { status: response.status, text: await response.text(), retryAfter: response.headers.get('Retry-After') };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
