/**
 * The browser's (and Node's) client of a Perdure server. No dependencies, no DOM.
 *
 *   const client = new PerdureClient();
 *   const { session_id } = await client.createSession({ agent: 'assistant', sessionId: newId() });
 *   const live = client.watch(session_id, { onView: view => draw(view), onState: state => {} });
 *   await client.send(session_id, { text: 'Hello', messageId: newId() });
 *
  * Questions of a session are in the view (`openQuestions(view)`) and are answered by `answer`; questions of its sub-agents
  * (`openBelow(view)`) are answered at the question's own `session_id`. Client tools can answer by themselves:
 *
 *   client.watch(session_id, { onView, tools: { pick_date: async (args) => (await myCalendar.pick(args)).toISOString() } });
 *
  * Rule 1: the sender makes the id, so every request can be repeated until the server has answered.
  * Rule 2: only `session.closed` ends a stream; after any other break it reconnects and resumes where it was.
  * `view.js` describes the view that `watch` keeps.
 */

// This file is served as /client.js, the others below /pages/.
import { openBelow } from './pages/view/sub_views.js';
import { ClientTools } from './pages/client/client_tools.js';
import { SubSessions } from './pages/client/sub_sessions.js';
import { upload } from './pages/client/uploads.js';
import { emptyView, openQuestions, reduce, withFacts } from './pages/view/view.js';

export { emptyView, openBelow, openQuestions, reduce, withFacts };

const RETRIED = new Set([408, 429, 502, 503, 504]);

/** An error response of the server. `status` is HTTP's, `code` is stable, `message` is for people. */
export class PerdureError extends Error {
  constructor(status, problem = {}, retryAfter = null) {
    super(problem.detail || problem.title || (status ? `The server answered ${status}.` : 'The server could not be reached.'));
    // `errors`: for a 422, [{field, message}].
    const { code = null, errors = [] } = problem;
    Object.assign(this, { name: 'PerdureError', status, code, errors, retryAfter });
  }

  get retryable() {
    return RETRIED.has(this.status);
  }
}

/** A new id, also on pages in an insecure context, where `randomUUID` is missing. */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export class PerdureClient {
  /** `baseUrl` has no trailing slash; '' means the page's own server. `headers` are sent with every request. */
  constructor({ baseUrl = '', headers = {}, fetch = (...args) => globalThis.fetch(...args) } = {}) {
    Object.assign(this, { baseUrl, headers, fetch });
  }

  /** Idempotent on `sessionId`; retried until the server answers. `message`: the first one, {message_id, text}. */
  createSession({ agent, sessionId = newId(), inputs, message, user, metadata, signal, onRetry }) {
    const body = { agent, session_id: sessionId, inputs, message, user, metadata };
    return retrying(() => this.call('POST', '/v1/sessions', { body, signal }), { signal, onRetry });
  }

  /** Sends a message exactly once, despite retries. → {session_id, message_id, seq, status, position?, waiting_for?} */
  send(sessionId, { messageId = newId(), text, parts, signal, onRetry }) {
    const body = parts ? { message_id: messageId, parts } : { message_id: messageId, text };
    return retrying(() => this.call('POST', `${path(sessionId)}/messages`, { body, signal }), { signal, onRetry });
  }

  /** Uploads a File or Blob → {uri, media_type, name, bytes}, for parts {type: 'file', uri}. `onProgress` gets a fraction. */
  upload(file, options = {}) {
    return upload(this, file, { ...options, failure: (status, problem) => new PerdureError(status, problem) });
  }

  /** Stops the turn and keeps the session. With `turnId`, only if that turn is still running. */
  stop(sessionId, turnId) {
    const body = turnId ? { turn_id: turnId } : {};
    return retrying(() => this.call('POST', `${path(sessionId)}/stop`, { body }), { tries: 5 });
  }

  /**
   * Answers an open question. `answer`: {approved, reason?, args?, remember?} for an approval, {result} for a client tool's
   * question, or {approved: false, reason?} if there will be no result. Throws with code `already_answered` (409) if someone
   * else answered first; a 422 names the invalid field in `errors`.
   */
  answer(sessionId, questionId, answer, { signal, onRetry } = {}) {
    const body = { question_id: questionId, ...answer };
    return retrying(() => this.call('POST', `${path(sessionId)}/answers`, { body, signal }), { signal, onRetry });
  }

  agents = () => this.call('GET', '/v1/agents');
  session = (sessionId) => this.call('GET', path(sessionId));
  close = (sessionId) => this.call('DELETE', path(sessionId));
  /** Forks this session at the end of `turnId`; `choices`: {agent, model, text}. Each call creates another session. */
  fork = (sessionId, turnId, choices = {}) =>
    this.call('POST', `${path(sessionId)}/fork`, { body: { turn_id: turnId, ...choices } });
  configure = (sessionId, changes) => this.call('PATCH', path(sessionId), { body: changes });
  setLimits = (sessionId, limits) => this.call('PATCH', `${path(sessionId)}/limits`, { body: limits });
  /** `query` for lists: {agent, status, user, cursor}; for a trace: {after, limit} for a page, {step} for one step. */
  listSessions = (query = {}) => this.call('GET', `/v1/sessions${queryString(query)}`);
  trace = (sessionId, query = {}) => this.call('GET', `${path(sessionId)}/trace${queryString(query)}`);

  /** The session's events after the cursor `after` (null: from the start), until the session is closed. */
  stream(sessionId, { after = null, onEvent, onState } = {}) {
    const url = `${this.baseUrl}${path(sessionId)}/events`;
    return new SessionStream({ url, after, headers: this.headers, fetch: this.fetch, onEvent, onState }).start();
  }

  /**
   * `stream` and `reduce` together: calls `onView(view, event)` after each event that changed something.
   * `tools`: functions by client tool name; `client_tools.js` has their rules.
   */
  watch(sessionId, { onView: draw, onState, tools = {} }) {
    const live = { view: emptyView() };
    const clientTools = new ClientTools(this, sessionId, tools);
    const onView = (view, event) => (clientTools.look(view), draw(view, event));
    const take = (event) => {
      const before = live.view;
      live.view = reduce(before, event);
      if (live.view.gap !== null && live.view.gap !== before.gap) live.stream.resync(live.view.seq || null);
      else if (live.view !== before) onView(live.view, event);
    };
    const below = new SubSessions(this, take, () => live.view);
    const onEvent = (event) => (event.type === 'agent.event' ? below.hear(event) : take(event));
    live.stream = this.stream(sessionId, { onState, onEvent });
    /** Loads all events of a finished sub-agent into the view; `way`: see `sub_views.js`. */
    live.readBelow = (way) => below.read(way);
    /** Loads what only the snapshot contains (model, demo, queued texts) into the view. */
    live.refresh = async () => {
      const snapshot = await this.session(sessionId);
      onView((live.view = withFacts(live.view, snapshot)), { type: 'facts' });
    };
    live.close = () => (clientTools.close(), below.close(), live.stream.close());
    return live;
  }

  async call(method, target, { body, signal } = {}) {
    const headers = { Accept: 'application/json', ...this.headers };
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    const request = { method, headers, body: body && JSON.stringify(body), signal, cache: 'no-store' };
    const response = await this.fetch(`${this.baseUrl}${target}`, request);
    const answer = response.status === 204 ? null : await response.json().catch(() => ({}));
    if (response.ok) return answer;
    throw new PerdureError(response.status, answer ?? {}, Number(response.headers.get('Retry-After')) || null);
  }
}

/**
 * One session's event stream over fetch. Unlike EventSource it sees status codes and the server's heartbeat comments, so it
 * reconnects after a 503 and notices a silently lost connection.
 * `onState` gets {name: 'connecting'|'open'|'waiting'|'ended'|'failed', error?, retryIn?}; `failed` is final.
 */
export class SessionStream {
  constructor({
    url,
    after = null,
    headers = {},
    fetch = globalThis.fetch,
    onEvent,
    onState = () => {},
    silence = 40_000,
  }) {
    Object.assign(this, { url, cursor: after, headers, fetch, onEvent, onState, silence, done: false, failures: 0 });
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
      await new Promise((resolve) => {
        this.wakeUp = resolve;
        setTimeout(resolve, retryIn);
      });
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
      if (!response.ok) throw new PerdureError(response.status, await response.json().catch(() => ({})));
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

async function retrying(attempt, { signal, onRetry = () => {}, tries = Infinity } = {}) {
  for (let failures = 0; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      const final = signal?.aborted || failures + 1 >= tries || (error instanceof PerdureError && !error.retryable);
      if (final) throw error;
      onRetry(error);
      await new Promise((resolve) => setTimeout(resolve, backoff(failures, error.retryAfter)));
      if (signal?.aborted) throw error;
    }
  }
}

/** Milliseconds before attempt `failures` + 2: 250 ms, doubling up to 4 s, with jitter. */
function backoff(failures, retryAfter = null) {
  if (retryAfter) return retryAfter * 1000;
  return Math.min(4000, 250 * 2 ** failures) * (0.75 + Math.random() / 4);
}

const path = (sessionId) => `/v1/sessions/${encodeURIComponent(sessionId)}`;

function queryString(query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return given.length ? `?${new URLSearchParams(given)}` : '';
}
