/** A session's events as they come: one connection over `fetch`, and another after each break. */
import { PerdureError, backoff, seconds } from './requests.js';

/**
 * One session's event stream over fetch. Unlike EventSource it sees status codes and the server's heartbeat comments, so it
 * reconnects after a 503 and notices a silently lost connection.
 * `begin()` gives the cursor to begin with, once; by default it is `after`. `onState` gets {name: 'connecting'|'open'|'waiting'|'ended'|'failed', error?, retryIn?}; `failed` is final.
 */
export class SessionStream {
  constructor({
    url,
    after = null,
    begin = async () => after,
    headers = {},
    fetch = globalThis.fetch,
    onEvent,
    onState = () => {},
    silence = 40_000,
  }) {
    Object.assign(this, { url, cursor: after, begin, headers, fetch, onEvent, onState, silence, done: false, failures: 0 });
  }

  start() {
    this.#run();
    return this;
  }

  close() {
    this.done = true;
    this.abort?.abort();
    this.wakeUp?.();
  }

  /** Skips the backoff before the next attempt; call it when the network is back. */
  wake() {
    this.wakeUp?.();
  }

  /** Reconnects after `cursor`, so that the server sends whatever is missing. */
  resync(cursor) {
    this.cursor = cursor;
    this.abort?.abort();
  }

  async #run() {
    // The caller gets this object back before anything is reported to it.
    await null;
    this.cursor = await this.begin();
    while (!this.done) {
      let error = null;
      try {
        this.onState({ name: 'connecting' });
        await this.#connect();
      } catch (failure) {
        error = failure;
      }
      if (this.done) return;
      if (error instanceof PerdureError && !error.retryable && error.status < 500) {
        this.done = true;
        return this.onState({ name: 'failed', error });
      }
      const retryIn = backoff(this.failures++, error?.retryAfter);
      this.onState({ name: 'waiting', error, retryIn });
      let timer;
      await new Promise((resolve) => {
        this.wakeUp = resolve;
        timer = setTimeout(resolve, retryIn);
      });
      // Otherwise it would keep a program of Node's running that has closed its streams.
      clearTimeout(timer);
    }
  }

  async #connect() {
    const abort = (this.abort = new AbortController());
    let timer = setTimeout(() => abort.abort(), this.silence);
    try {
      const cursor = this.cursor === null ? {} : { 'Last-Event-ID': String(this.cursor) };
      const headers = { Accept: 'text/event-stream', ...cursor, ...this.headers };
      const response = await this.fetch(this.url, { headers, signal: abort.signal, cache: 'no-store' });
      if (response.status === 204) return this.#end();
      if (!response.ok) throw new PerdureError(response.status, await response.json().catch(() => ({})), seconds(response.headers.get('Retry-After')));
      this.onState({ name: 'open' });
      const parse = sseParser((type, data) => abort.signal.aborted || this.#deliver(type, data));
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done || this.done) return;
        clearTimeout(timer);
        timer = setTimeout(() => abort.abort(), this.silence);
        parse(value);
      }
    } finally {
      clearTimeout(timer);
      abort.abort();
    }
  }

  #deliver(type, data) {
    if (this.done) return;
    const event = { ...JSON.parse(data), type };
    if (Number.isInteger(event.seq)) this.cursor = event.seq;
    this.failures = 0;
    this.onEvent(event);
    if (type === 'session.closed') this.#end();
  }

  #end() {
    this.done = true;
    this.abort?.abort();
    this.onState({ name: 'ended' });
  }
}

/** Returns a function that accepts chunks of a text/event-stream and calls `emit(type, data)` for each complete event. */
export function sseParser(emit) {
  let rest = '';
  let type = '';
  let data = [];
  return (chunk) => {
    // A CR at the end may be half of a CRLF, so it waits for the next chunk.
    const lines = (rest + chunk).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === '') {
        if (data.length) emit(type || 'message', data.join('\n'));
        type = '';
        data = [];
      }
      const [, field, value] = /^([^:]*):? ?([^]*)$/.exec(line);
      if (field === 'event') type = value;
      if (field === 'data') data.push(value);
    }
  };
}
