/**
 * Messages on their way. Each is kept in the browser's storage from before it is first sent until the server has taken
 * it, so neither a reload nor a dead server loses one; and as it keeps its id, none is ever taken twice.
 */
import { sentence } from '../shared/format.js';
import { tooMany } from '../shared/limited.js';
import { keep } from './attachments.js';
import { contentOf } from './resent.js';

const PREFIX = 'perdure.outbox.';

export class Outbox {
  #entries = new Map();
  #chains = new Map();

  /** `onChange()` after each change of any entry's state, `onSent(receipt)` with the server's answer to a message. */
  constructor(client, storage, onChange, onSent) {
    Object.assign(this, { client, storage, onChange, onSent });
    for (const key of storage.keys().filter((name) => name.startsWith(PREFIX))) {
      const entry = JSON.parse(storage.getItem(key));
      this.#entries.set(entry.messageId, { ...entry, state: 'sending' });
    }
  }

  /** Sends again what an earlier page left. */
  resume() {
    const left = [...this.#entries.values()].sort((a, b) => a.at - b.at);
    for (const entry of left) this.#enqueue(entry.messageId);
  }

  of(sessionId) {
    return [...this.#entries.values()].filter((entry) => entry.sessionId === sessionId).sort((a, b) => a.at - b.at);
  }

  /** Resolves when everything for this session that was sent so far has an answer. */
  settled(sessionId) {
    return this.#chains.get(sessionId) ?? Promise.resolve();
  }

  /**
   * `files`: as `attachments.js` gives them. `create`: null, or what the session is made with if this is its first message, {agent,
   * inputs, metadata}. `busy`: what becomes of it while the session works.
   */
  send({ sessionId, messageId, text, files = [], create = null, busy }) {
    const entry = { sessionId, messageId, text, files, create, busy, at: Date.now(), state: 'sending' };
    this.#entries.set(messageId, entry);
    this.#store(entry);
    return this.#enqueue(messageId);
  }

  retry(messageId) {
    this.#change(messageId, { state: 'sending', error: null });
    return this.#enqueue(messageId);
  }

  /** Forgets messages that the session shows by now, or that the user gave up. */
  drop(messageIds) {
    for (const id of messageIds) {
      this.#entries.delete(id);
      this.storage.removeItem(PREFIX + id);
    }
  }

  #enqueue(messageId) {
    const { sessionId } = this.#entries.get(messageId);
    // One after the other, so that messages arrive in the order in which they were written.
    const chain = this.settled(sessionId).then(() => this.#deliver(messageId));
    this.#chains.set(sessionId, chain);
    return chain;
  }

  async #deliver(messageId) {
    const entry = this.#entries.get(messageId);
    if (!entry) return;
    const onRetry = (error, wait) => {
      const state = error.code === 'no_worker' ? 'kept' : 'retrying';
      this.#change(messageId, { state, note: tooMany(error, wait) });
    };
    const { sessionId, text, files = [], create, busy } = entry;
    const said = contentOf(text, files);
    try {
      // The first message goes with the session that it makes, which is named after it in the lists.
      if (create)
        await this.client.createSession({ sessionId, ...create, message: { message_id: messageId, ...said }, onRetry });
      else this.onSent(await this.client.send(sessionId, { messageId, ...said, busy, onRetry }));
      this.storage.removeItem(PREFIX + messageId);
      this.#change(messageId, { state: 'accepted' });
    } catch (error) {
      this.#change(messageId, { state: 'failed', error: why(error) });
    }
  }

  #change(messageId, change) {
    const entry = this.#entries.get(messageId);
    if (!entry) return;
    this.#entries.set(messageId, { ...entry, ...change });
    this.onChange();
  }

  #store({ sessionId, messageId, text, files, create, busy, at }) {
    keep(this.storage, PREFIX + messageId, { sessionId, messageId, text, files, create, busy, at });
  }
}

/** A refused file is told in the server's words, without the place in the request that no person has seen. */
function why(error) {
  const aboutFiles = ['file_not_taken', 'file_unreadable'].includes(error.code) && error.errors?.length;
  return aboutFiles ? error.errors.map(({ message }) => sentence(message)).join(' ') : error.message;
}
