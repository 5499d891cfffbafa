/**
 * Files for the next message: dropped, pasted or chosen, uploaded at once, and shown above the text box until they are sent.
 *
 * Rule 1: what was uploaded outlives a reload, as a draft does. A file that cannot be taken says why, in place.
 * Rule 2: a file goes to the session that it was given for, and to no other.
 */
import { h, icon, keyed, setText } from '../shared/dom.js';
import { bytes, sentence } from '../shared/format.js';
import { thumbnail } from './thumbnail.js';

const STORED = 'perdure.attachments';
const MOST = 20;

export class Attachments {
  /** By session; null is the new chat. */
  #all = new Map();
  #place = null;
  #waiting = [];
  #last = 0;

  /** `onChange()` after each change. `list`: where they are drawn. */
  constructor({ client, storage, list, onChange }) {
    Object.assign(this, { client, storage, list, onChange });
  }

  get #entries() {
    return this.#all.get(this.#place) ?? [];
  }

  set #entries(entries) {
    this.#all.set(this.#place, entries);
  }

  /** Another session is shown, or null for a new chat. */
  open(place) {
    this.#place = place;
    if (!this.#all.has(place)) this.#entries = stored(this.storage, keyOf(place)).map((file) => this.#ready(file));
    this.#changed();
  }

  /** What was given for the new chat goes with the session that it has become. */
  move(place) {
    const entries = this.#entries;
    this.#entries = [];
    this.#changed();
    this.#place = place;
    this.#entries = entries;
    this.#changed();
  }

  get busy() {
    return this.#entries.some((entry) => entry.state === 'uploading');
  }

  get failed() {
    return this.#entries.some((entry) => entry.state === 'failed');
  }

  get empty() {
    return this.#entries.length === 0;
  }

  /** Resolves when nothing is on its way any more. */
  settled() {
    return this.busy ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve();
  }

  /** Adds and uploads `files`; returns how many more than can be taken there were. */
  add(files) {
    const room = Math.max(MOST - this.#entries.length, 0);
    const taken = [...files].slice(0, room);
    for (const file of taken) {
      const entry = { id: ++this.#last, name: file.name || 'pasted', bytes: file.size, media_type: file.type, file };
      this.#entries = [...this.#entries, entry];
      thumbnail(file).then((preview) => this.#change(entry, { preview }));
      this.#upload(entry);
    }
    this.#changed();
    return files.length - taken.length;
  }

  /** Puts back what was sent and not taken. */
  restore(files) {
    this.#entries = [...this.#entries, ...files.map((file) => this.#ready(file))];
    this.#changed();
  }

  #ready(file) {
    return { ...file, id: ++this.#last, state: 'ready' };
  }

  /** The files that are ready, [{uri, media_type, name, bytes, preview}]; the list is empty afterwards. */
  take() {
    const ready = this.#entries.filter((entry) => entry.state === 'ready').map(plain);
    this.#entries = [];
    this.#changed();
    return ready;
  }

  async #upload(entry) {
    const abort = new AbortController();
    this.#change(entry, { state: 'uploading', fraction: 0, error: null, abort });
    try {
      const onProgress = (fraction) => this.#change(entry, { fraction });
      const given = await this.client.upload(entry.file, { name: entry.name, onProgress, signal: abort.signal });
      this.#change(entry, { ...given, state: 'ready', file: null });
    } catch (error) {
      const again = error.status === 0 || error.retryable;
      this.#change(entry, { state: 'failed', error: sentence(error.message), again });
    }
  }

  #remove(entry) {
    this.#entries = this.#entries.filter((one) => one !== entry);
    entry.abort?.abort();
    this.#changed();
    this.list.closest('form').querySelector('textarea').focus();
  }

  #change(entry, change) {
    Object.assign(entry, change);
    if (this.#entries.includes(entry)) return this.#changed();
    for (const [place, entries] of this.#all) if (entries.includes(entry)) this.#store(place, entries);
  }

  #store(place, entries) {
    const ready = entries.filter((entry) => entry.state === 'ready').map(plain);
    if (ready.length) keep(this.storage, keyOf(place), ready);
    else this.storage.removeItem(keyOf(place));
  }

  #changed() {
    this.#store(this.#place, this.#entries);
    this.list.hidden = this.empty;
    // A new object for each drawing, for the entries themselves change in place.
    keyed(this.list, this.#entries.map((entry) => ({ entry })), {
      key: ({ entry }) => entry.id,
      make: ({ entry }) => this.#make(entry),
      update: draw,
    });
    if (!this.busy) this.#waiting.splice(0).forEach((resolve) => resolve());
    this.onChange();
  }

  #make(entry) {
    const remove = h('button', { type: 'button', class: 'remove', 'aria-label': `Remove ${entry.name}`, title: 'Remove', onclick: () => this.#remove(entry) }, icon('cross'));
    const again = h('button', { type: 'button', class: 'text-button', hidden: true, onclick: () => this.#upload(entry) }, 'Try again');
    const about = h('span', { class: 'about-file' }, h('span', { class: 'file-name', title: entry.name }, entry.name), h('span', { class: 'file-state', role: 'status' }), again);
    const progress = h('progress', { max: 1, value: 0, hidden: true, 'aria-label': `Upload of ${entry.name}` });
    return h('li', {}, h('span', { class: 'thumb' }, icon('file')), about, remove, progress);
  }
}

function draw(node, { entry }) {
  const [thumb, about, , progress] = node.children;
  const uploading = entry.state === 'uploading';
  node.dataset.state = entry.state;
  if (entry.preview && !thumb.querySelector('img')) thumb.replaceChildren(h('img', { src: entry.preview, alt: '' }));
  setText(about.children[1], entry.state === 'failed' ? entry.error : bytes(entry.bytes));
  about.children[2].hidden = !(entry.state === 'failed' && entry.again);
  progress.hidden = !uploading;
  progress.value = entry.fraction ?? 0;
}

const plain = ({ uri, media_type, name, bytes: size, preview = null }) => ({ uri, media_type, name, bytes: size, preview });

const keyOf = (place) => (place === null ? STORED : `${STORED}.${place}`);

function stored(storage, key) {
  try {
    return JSON.parse(storage.getItem(key) ?? '[]');
  } catch {
    return [];
  }
}

/** Stores `files` under `key`, without their previews where there is no room for these. */
export function keep(storage, key, value) {
  if (!storage.setItem(key, JSON.stringify(value)))
    storage.setItem(key, JSON.stringify(value, (name, one) => (name === 'preview' ? null : one)));
}
