/**
 * The client of a Perdure server, for browsers and for Node (20 or newer). No dependencies, no DOM; one file, which may be saved.
 *
 *   import { PerdureClient } from 'https://perdure.example.com/client.js';
 *   const client = new PerdureClient({ baseUrl: 'https://perdure.example.com' });
 *   const { session_id } = await client.createSession({ agent: 'assistant' });
 *   for await (const words of client.say(session_id, { text: 'Hello' })) process.stdout.write(words);
 *
 * A page that draws a whole conversation lets `watch` keep a view of it (types: `View` in client.d.ts):
 *
 *   const live = client.watch(session_id, { onView: (view) => draw(view) });
 *
 * Questions of a session are in the view (`openQuestions(view)`) and are answered by `answer`; questions of its sub-agents
 * (`openBelow(view)`) are answered at the question's own `session_id`. Client tools can answer by themselves:
 *
 *   client.watch(session_id, { onView, tools: { pick_date: async (args) => (await myCalendar.pick(args)).toISOString() } });
 *
 * Rule 1: the sender makes the id, so every request can be repeated until the server has answered.
 * Rule 2: what is refused as one too many (429) is made again once the server says so.
 * Rule 3: only `session.closed` ends a stream; after any other break it reconnects and resumes where it was, without
 * repeating an event.
 */

// Served as /client.js, which is one module: what is imported here is joined into it (`routes/client_module.py`).
import { openBelow } from '../view/sub_views.js';
import { ClientTools } from './client_tools.js';
import { TurnFilter, eventsOf } from './following.js';
import { Opening } from './opening.js';
import { Renewal } from './renewal.js';
import { PerdureError, isLimited, retrying, seconds } from './requests.js';
import { SessionStream, sseParser } from './stream.js';
import { SubSessions } from './sub_sessions.js';
import { upload } from './uploads.js';
import { Words } from './words.js';
import { withEarlier } from '../view/earlier.js';
import { emptyView, openQuestions, reduce, withFacts, withPlaces } from '../view/view.js';

export { PerdureError, SessionStream, emptyView, openBelow, openQuestions, reduce, sseParser, withFacts };

/** A new id, also on pages in an insecure context, where `randomUUID` is missing. */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Of a request that nobody sees being made again. */
const TRIES = 5;
/** Seconds that one request waits for a turn, and what is waited before the next one does. */
const WAIT_S = 60;
const BREATH_MS = 100;

export class PerdureClient {
  /**
   * `baseUrl` has no trailing slash; '' means the page's own server. `headers` are sent with every request. `renew()` is called
   * when the server does not know who calls (any more): it gives a new token for `Authorization`, or nothing where a cookie has
   * been set. Whatever was refused, streams too, is then sent again.
   */
  constructor({ baseUrl = '', headers = {}, fetch = (...args) => globalThis.fetch(...args), renew = null } = {}) {
    Object.assign(this, { baseUrl, headers, fetch, renewal: new Renewal(renew) });
  }

  /** Idempotent on `sessionId`; retried until the server answers. `message`: the first one, {message_id, text}. */
  createSession({ agent, sessionId = newId(), inputs, message, user, metadata, signal, onRetry }) {
    const body = { agent, session_id: sessionId, inputs, message, user, metadata };
    return retrying(() => this.call('POST', '/v1/sessions', { body, signal }), { signal, onRetry });
  }

  /**
   * Sends a message exactly once, despite retries. → {session_id, message_id, seq, status, position?, waiting_for?}
   * `busy`: what becomes of it while the session works: 'queue', 'steer', 'interrupt' or 'reject'; by default what the agent says.
   */
  send(sessionId, { messageId = newId(), text, parts, busy, signal, onRetry }) {
    const body = { message_id: messageId, ...(parts ? { parts } : { text }), busy };
    return retrying(() => this.call('POST', `${path(sessionId)}/messages`, { body, signal }), { signal, onRetry });
  }

  /**
   * Sends a message and waits for its turn, also over restarts of the server.
   * → {turn: {turn_id, reason, usage, cost_usd, error?}, messages, ...} once the turn has ended, or {status: 'waiting', questions} as soon
   * as the session waits for a person; called again with the same `messageId`, it waits on.
   */
  sendAndWait(sessionId, { messageId = newId(), text, parts, busy, signal, onRetry }) {
    const body = { message_id: messageId, ...(parts ? { parts } : { text }), busy };
    const target = `${path(sessionId)}/messages?wait=${WAIT_S}`;
    const attempt = async () => {
      for (;;) {
        const answer = await this.call('POST', target, { body, signal });
        if (answer.turn || answer.status === 'waiting') return answer;
        // A server that stops answers at once; another takes over.
        await new Promise((resolve) => setTimeout(resolve, BREATH_MS));
      }
    };
    return retrying(attempt, { signal, onRetry });
  }

  /**
   * Sends a message and yields its own events and those of its turn, to the turn's end, also over restarts of the server.
   * Takes what `send` takes. Whoever leaves the loop early only stops listening.
   */
  async *turn(sessionId, { messageId = newId(), onState, ...said }) {
    const { seq } = await this.send(sessionId, { ...said, messageId });
    const filter = new TurnFilter(messageId);
    for await (const event of this.events(sessionId, { after: seq, signal: said.signal, onState })) {
      yield* filter.take(event);
      if (filter.over) return;
    }
  }

  /**
   * Sends a message and yields the text of its turn as it comes, to print it: whatever a broken stream has missed comes later.
   * Where the model had to be asked once more, its new answer begins a new paragraph. Takes what `send` takes.
   */
  async *say(sessionId, said) {
    const words = new Words();
    for await (const event of this.turn(sessionId, said)) {
      const more = words.take(event);
      if (more) yield more;
    }
  }

  /** Uploads a File or Blob → {uri, media_type, name, bytes}, for parts {type: 'file', uri}. `onProgress` gets a fraction. */
  upload(file, options = {}) {
    const failure = (...told) => new PerdureError(...told);
    return retrying(() => upload(this, file, { ...options, failure }), { signal: options.signal, when: isLimited, tries: TRIES });
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

  /** Changes a message that still waits; `said`: {text} or {parts}. Throws 409 if its turn has begun. */
  editMessage = (sessionId, messageId, said) => this.ask('PUT', message(sessionId, messageId), { body: said });
  /** Takes back a message that still waits. Throws 409 if its turn has begun. */
  withdraw = (sessionId, messageId) => this.ask('DELETE', message(sessionId, messageId));
  /**
   * Lets the session go on from before a message, {message_id, text? | parts?}: with other words, or answering it again; or on an earlier
   * branch, {branch}. Where calls would have to be taken back, the session asks first. → {branch, message_id?, ...}
   * Happens exactly once, despite retries; `rewind_id` names it, a new one by default.
   */
  rewind(sessionId, choices) {
    const body = { rewind_id: newId(), ...choices };
    return retrying(() => this.call('POST', `${path(sessionId)}/rewind`, { body }), { tries: 5 });
  }
  /** → {branches, current, places}; `places`: where branches part, [{message_id, siblings, current}] */
  branches = (sessionId) => this.ask('GET', `${path(sessionId)}/branches`);
  /** Runs a failed or stopped turn on, exactly once despite retries; `choices`: {turn_id, model, retry_id}, by default the last turn. */
  retry(sessionId, choices = {}) {
    const body = { retry_id: newId(), ...choices };
    return retrying(() => this.call('POST', `${path(sessionId)}/retry`, { body }), { tries: 5 });
  }
  /**
   * Keeps on a turn what somebody thinks of it: {score, text?}. The scale of scores is yours; 0 takes back what was given. The latest
   * counts, and the same once more changes nothing.
   */
  feedback(sessionId, turnId, given) {
    const body = { turn_id: turnId, ...given };
    return retrying(() => this.call('POST', `${path(sessionId)}/feedback`, { body }), { tries: 5 });
  }
  agents = () => this.ask('GET', '/v1/agents');
  /** `query`: {messages} for the last ones alone, with `before`, how many come before them, and `since`, see `messages`. */
  session = (sessionId, query = {}) => this.ask('GET', `${path(sessionId)}${queryString(query)}`);
  /** A page of messages, {before, limit} → {messages, before, since?}; the events after `since` tell the messages in whole. */
  messages = (sessionId, query = {}) => this.ask('GET', `${path(sessionId)}/messages${queryString(query)}`);
  close = (sessionId) => this.ask('DELETE', path(sessionId));
  /** Forks this session at the end of `turnId`; `choices`: {agent, model, text}. Each call creates another session. */
  fork = (sessionId, turnId, choices = {}) =>
    this.ask('POST', `${path(sessionId)}/fork`, { body: { turn_id: turnId, ...choices } });
  configure = (sessionId, changes) => this.ask('PATCH', path(sessionId), { body: changes });
  setLimits = (sessionId, limits) => this.ask('PATCH', `${path(sessionId)}/limits`, { body: limits });
  /** `query` for lists: {agent, status, user, active_after, cursor}; for a trace: {after, limit} or {before, limit} for a page, {step} for one step. */
  listSessions = (query = {}) => this.ask('GET', `/v1/sessions${queryString(query)}`);
  trace = (sessionId, query = {}) => this.ask('GET', `${path(sessionId)}/trace${queryString(query)}`);

  /** The session's events after the cursor `after` (null: from the start), until the session is closed. */
  stream(sessionId, { after = null, begin, onEvent, onState } = {}) {
    const url = `${this.baseUrl}${path(sessionId)}/events`;
    const fetch = (target, request) => this.request(target, request);
    return new SessionStream({ url, after, begin, fetch, onEvent, onState }).start();
  }

  /**
   * The session's events after the cursor `after` (null: from the start) in a loop, until the session is closed; each durable event
   * once. Leaving the loop, or aborting `signal`, ends the connection.
   */
  events = (sessionId, { after = null, signal, onState } = {}) => eventsOf(this, sessionId, { after, signal, onState });

  /**
   * `stream` and `reduce` together: calls `onView(view, event)` after each event that changed something.
   * `tools`: functions by client tool name; `client_tools.js` has their rules. `last`: begin with so many messages, the last
   * ones; `view.earlier.before` tells how many come before those of the view, and `readEarlier()` loads more of them.
   */
  watch(sessionId, { onView: draw, onState, tools = {}, last = null }) {
    const live = { view: emptyView() };
    const opening = new Opening(this, sessionId, last);
    const clientTools = new ClientTools(this, sessionId, tools);
    const onView = (view, event) => (clientTools.look(view), draw(view, event));
    const take = (event) => {
      const before = live.view;
      live.view = reduce(before, event);
      if (live.view.gap !== null && live.view.gap !== before.gap) live.stream.resync(live.view.seq || null);
      else if (live.view.lost && !before.lost) begin().then((cursor) => live.stream.resync(cursor));
      else if (live.view !== before) onView(live.view, event);
    };
    const below = new SubSessions(this, take, () => live.view);
    const onEvent = (event) => (event.type === 'agent.event' ? below.hear(event) : take(event));
    const begin = async () => {
      const end = await opening.end();
      live.view = end?.view ?? emptyView();
      if (end) onView(end.view, end.event);
      return end?.view.seq ?? null;
    };
    // A stream says what is missing when it opens, and nothing where all is well.
    const opened = () => live.view.missing.length && take({ type: 'workers.state', missing: [] });
    const onChange = (state) => (state.name === 'open' && opened(), onState?.(state));
    live.stream = this.stream(sessionId, { begin, onState: onChange, onEvent });
    live.readEarlier = async () => {
      const found = await opening.before(live.view);
      onView((live.view = withEarlier(live.view, found)), { type: 'facts' });
    };
    /** Loads all events of a finished sub-agent into the view; `way`: see `sub_views.js`. */
    live.readBelow = (way) => below.read(way);
    /** Loads what only the snapshot contains (model, demo, queued texts) into the view, and where branches part. */
    live.refresh = async () => {
      const snapshot = await this.session(sessionId, { messages: 0 });
      const branches = snapshot.branches > 1 ? await this.branches(sessionId) : null;
      // Events that came meanwhile are in the view by now.
      const view = withFacts(live.view, snapshot);
      onView((live.view = branches ? withPlaces(view, branches) : view), { type: 'facts' });
    };
    live.close = () => (clientTools.close(), below.close(), live.stream.close());
    return live;
  }

  /** `call`, made again while it is one too many. */
  ask(method, target, options = {}) {
    return retrying(() => this.call(method, target, options), { signal: options.signal, when: isLimited, tries: TRIES });
  }

  /** `fetch` with what says who calls, and again with what `renew` gives. */
  request(url, request = {}) {
    const send = () => this.fetch(url, { ...request, headers: { ...request.headers, ...this.headers } });
    return this.renewal.around(send, this.headers);
  }

  async call(method, target, { body, signal } = {}) {
    const headers = { Accept: 'application/json' };
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    const request = { method, headers, body: body && JSON.stringify(body), signal, cache: 'no-store' };
    const response = await this.request(`${this.baseUrl}${target}`, request);
    const answer = response.status === 204 ? null : await response.json().catch(() => ({}));
    if (response.ok) return answer;
    throw new PerdureError(response.status, answer ?? {}, seconds(response.headers.get('Retry-After')));
  }
}

const message = (sessionId, messageId) => `${path(sessionId)}/messages/${encodeURIComponent(messageId)}`;
const path = (sessionId) => `/v1/sessions/${encodeURIComponent(sessionId)}`;

function queryString(query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return given.length ? `?${new URLSearchParams(given)}` : '';
}
