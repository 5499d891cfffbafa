/**
 * The browser's (and Node's) client of a Perdure server. No dependencies, no DOM.
 *
 *   const client = new PerdureClient();
 *   const { session_id } = await client.createSession({ agent: 'assistant', sessionId: newId() });
 *   const live = client.watch(session_id, { onView: view => draw(view), onState: state => {} });
 *   await client.send(session_id, { text: 'Hello', messageId: newId() });
 *
 * Rule 1: whoever sends makes the id, so everything that is sent can be sent again until the server has answered.
 * Rule 2: `reduce(view, event)` is pure; the view is a function of the events, in the order in which they came.
 * Rule 3: a view never shows a text twice: the fragments of a step are replaced by its `step.finished`.
 */

const RETRIED = new Set([408, 429, 502, 503, 504]);

/** An answer of the server that is not a success. `status` is HTTP's, `code` is stable, `message` is for people. */
export class PerdureError extends Error {
  constructor(status, problem = {}, retryAfter = null) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    Object.assign(this, { name: 'PerdureError', status, code: problem.code ?? null, retryAfter });
  }

  get retryable() {
    return RETRIED.has(this.status);
  }
}

/** A new id, also on pages that were not served securely, where `randomUUID` is missing. */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export class PerdureClient {
  /** `baseUrl` without a slash at its end; '' means the page's own server. `headers` go with every request. */
  constructor({ baseUrl = '', headers = {}, fetch = (...args) => globalThis.fetch(...args) } = {}) {
    Object.assign(this, { baseUrl, headers, fetch });
  }

  /** Idempotent on `sessionId`, and tried again until the server answers; `signal` gives up. */
  createSession({ agent, sessionId = newId(), inputs, user, metadata, signal, onRetry }) {
    const body = { agent, session_id: sessionId, inputs, user, metadata };
    return retrying(() => this.call('POST', '/v1/sessions', { body, signal }), { signal, onRetry });
  }

  /** Sends one message once, however often the network fails meanwhile. → {session_id, message_id, seq} */
  send(sessionId, { messageId = newId(), text, parts, signal, onRetry }) {
    const body = parts ? { message_id: messageId, parts } : { message_id: messageId, text };
    const post = () => this.call('POST', `${path(sessionId)}/messages`, { body, signal });
    return retrying(post, { signal, onRetry });
  }

  /** Stops the turn, keeps the session. With `turnId`, only if that turn still runs. */
  stop(sessionId, turnId) {
    const body = turnId ? { turn_id: turnId } : {};
    return retrying(() => this.call('POST', `${path(sessionId)}/stop`, { body }), { tries: 5 });
  }

  agents = () => this.call('GET', '/v1/agents');
  session = (sessionId) => this.call('GET', path(sessionId));
  close = (sessionId) => this.call('DELETE', path(sessionId));
  configure = (sessionId, changes) => this.call('PATCH', path(sessionId), { body: changes });
  setLimits = (sessionId, limits) => this.call('PATCH', `${path(sessionId)}/limits`, { body: limits });
  /** `query` of lists: {agent, status, user, cursor}; of a trace: {after, limit} for a page, {step} for one step. */
  listSessions = (query = {}) => this.call('GET', `/v1/sessions${queryString(query)}`);
  trace = (sessionId, query = {}) => this.call('GET', `${path(sessionId)}/trace${queryString(query)}`);

  /** The session's events greater than `after` (null: from the start), for ever, until it is closed. */
  stream(sessionId, { after = null, onEvent, onState } = {}) {
    const url = `${this.baseUrl}${path(sessionId)}/events`;
    return new SessionStream({ url, after, headers: this.headers, fetch: this.fetch, onEvent, onState }).start();
  }

  /** `stream` and `reduce` together: calls `onView(view, event)` after each event that changed something. */
  watch(sessionId, { onView, onState }) {
    const live = { view: emptyView() };
    live.stream = this.stream(sessionId, {
      onState,
      onEvent: (event) => {
        const before = live.view;
        live.view = reduce(before, event);
        if (live.view.gap !== null && live.view.gap !== before.gap) live.stream.resync(live.view.seq || null);
        else if (live.view !== before) onView(live.view, event);
      },
    });
    /** Takes what only the snapshot says (model, demo, queued texts) into the view. */
    live.refresh = async () => {
      const snapshot = await this.session(sessionId);
      live.view = withFacts(live.view, snapshot);
      onView(live.view, { type: 'facts' });
    };
    live.close = () => live.stream.close();
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
 * One session's event stream over fetch: unlike EventSource it sees status codes and the server's heartbeat comments, so
 * it comes back after a 503 and notices a connection that died silently.
 * `onState` gets {name: 'connecting'|'open'|'waiting'|'ended'|'failed', error?, retryIn?}; `failed` is for good.
 */
export class SessionStream {
  constructor({ url, after = null, headers = {}, fetch = globalThis.fetch, onEvent, onState = () => {}, silence = 40_000 }) {
    Object.assign(this, { url, cursor: after, headers, fetch, onEvent, onState, silence });
    Object.assign(this, { done: false, failures: 0, abort: null, wakeUp: null });
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

  /** Ends a pause before the next attempt; call it when the network came back. */
  wake() {
    this.wakeUp?.();
  }

  /** Starts again behind `cursor`, which is answered by whatever is missing. */
  resync(cursor) {
    this.cursor = cursor;
    this.abort?.abort();
  }

  async #run() {
    // The one who starts it first gets it back; nothing is reported before.
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
        const timer = setTimeout(resolve, retryIn);
        this.wakeUp = () => (clearTimeout(timer), resolve());
      });
      this.wakeUp = null;
    }
  }

  async #connect() {
    const abort = (this.abort = new AbortController());
    let timer = setTimeout(() => abort.abort(), this.silence);
    try {
      const headers = { Accept: 'text/event-stream', ...this.headers };
      if (this.cursor !== null) headers['Last-Event-ID'] = String(this.cursor);
      const response = await this.fetch(this.url, { headers, signal: abort.signal, cache: 'no-store' });
      if (response.status === 204) return this.#end();
      if (!response.ok) throw new PerdureError(response.status, await response.json().catch(() => ({})));
      this.onState({ name: 'open' });
      const parser = sseParser((type, data) => abort.signal.aborted || this.#deliver(type, data));
      const decoder = new TextDecoder();
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done || this.done) return;
        clearTimeout(timer);
        timer = setTimeout(() => abort.abort(), this.silence);
        parser(decoder.decode(value, { stream: true }));
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

/** A function that takes pieces of a text/event-stream and calls `emit(type, data)` for each whole event. */
export function sseParser(emit) {
  let rest = '';
  let type = '';
  let data = [];
  return (chunk) => {
    // A CR at the end may be half of a CRLF: it waits for what follows.
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

/** Milliseconds before try number `failures` + 2: 250 ms doubling to 4 s, a part of it by chance. */
function backoff(failures, retryAfter = null) {
  if (retryAfter) return retryAfter * 1000;
  return Math.min(4000, 250 * 2 ** failures) * (0.75 + Math.random() / 4);
}

const path = (sessionId) => `/v1/sessions/${encodeURIComponent(sessionId)}`;

function queryString(query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return given.length ? `?${new URLSearchParams(given)}` : '';
}

const NO_USAGE = { input_tokens: 0, cached_tokens: 0, output_tokens: 0, reasoning_tokens: 0 };

/**
 * What `reduce` starts from. A view is {seq, session, status, closed, usage, cost_usd, turns, queued, rejected, gap}:
 * turns: {id, status: 'running'|'finished', cause, reason, error, usage, cost_usd, started_at, finished_at, messages, tools}
 * messages: the contract's, and for answers {key, step_id, live, attempt, model, usage, cost_usd, timing, stop, ...}
 * tools: by call_id {state: 'running'|'done'|'failed', name, args, result, started_at, duration_ms, attempts, progress}
 * queued: [{id, message}] in order; `message` is null until `withFacts` knows it
 * gap: not null when something is missing, until a snapshot or the missing event comes; `watch` then reconnects.
 */
export function emptyView() {
  const lists = { turns: [], queued: [], rejected: [] };
  return { seq: 0, session: {}, status: 'idle', closed: null, usage: NO_USAGE, cost_usd: 0, ...lists, gap: null };
}

/** The view after one event of the stream. Repeated events and fragments of finished steps change nothing. */
export function reduce(view, event) {
  if (event.type === 'session.snapshot') return fromSnapshot(view, event);
  if (event.type === 'step.delta' || event.type === 'step.snapshot') return reduceStep(view, event);
  if (event.type === 'tool.progress') return patchTool(view, event, (progress) => ({ progress }));
  if (!Number.isInteger(event.seq) || event.seq <= view.seq) return view;
  // The same gap twice means that the server has nothing in between: then go on without it.
  if (event.seq > view.seq + 1 && view.gap !== event.seq) return { ...view, gap: view.gap ?? event.seq };
  return { ...reduceFact(view, event), seq: event.seq, gap: null };
}

/** Takes what only `GET /v1/sessions/{id}` says; its transcript stays aside, for events alone make the turns. */
export function withFacts(view, { messages, queued = [], questions, seq, status, usage, cost_usd, ...session }) {
  const known = new Map(queued.map((message) => [message.id, message]));
  const facts = { ...view, session: { ...view.session, ...session } };
  facts.queued = view.queued.map((entry) => (entry.message ? entry : { ...entry, message: known.get(entry.id) ?? null }));
  return seq === view.seq ? { ...facts, status, usage, cost_usd } : facts;
}

/** The text of a message's text parts. */
export function textOf(message) {
  return (message?.parts ?? []).filter((part) => part.type === 'text').map((part) => part.text).join('\n\n');
}

function reduceFact(view, event) {
  const turnId = event.turn_id ?? event.message?.turn_id ?? null;
  switch (event.type) {
    case 'session.started':
      return { ...view, session: { created_at: event.at, ...view.session, agent: event.agent, digest: event.digest } };
    case 'session.closed':
      return { ...view, status: 'closed', closed: { reason: event.reason, at: event.at } };
    case 'agent.updated':
      return { ...view, session: { ...view.session, digest: event.new } };
    case 'message.added': {
      const queued = view.queued.filter((entry) => entry.id !== event.message.id);
      return patchTurn({ ...view, queued }, turnId, (turn) => upsert(turn, { ...event.message, key: event.message.id }));
    }
    case 'message.queued': {
      if (view.queued.some((entry) => entry.id === event.message_id)) return view;
      return { ...view, queued: [...view.queued, { id: event.message_id, message: null }] };
    }
    case 'message.rejected': {
      const queued = view.queued.filter((entry) => entry.id !== event.message_id);
      return { ...view, queued, rejected: [...view.rejected, { id: event.message_id, reason: event.reason }] };
    }
    case 'turn.started': {
      // A message that came without a turn, just before, is the one that this turn answers.
      const adopted = view.turns.map((turn) => (turn.id === null ? { ...turn, id: turnId } : turn));
      const started = { status: 'running', whole: true, cause: event.cause, started_at: event.at };
      return patchTurn({ ...view, turns: adopted, status: 'working' }, turnId, (turn) => ({ ...turn, ...started }));
    }
    case 'turn.finished':
      return finishTurn(view, turnId, event);
    case 'step.started': {
      const { model, at } = event;
      return patchStep(view, event, (step) => ({ ...(step ?? newStep(event)), model, at, started_at: at }));
    }
    case 'step.finished':
      return finishStep(view, event);
    case 'model.switched':
      return patchStep(view, event, (step) => step && { ...step, model: event.to, switched: event });
    case 'tool.started':
      return patchTool(view, event, ({ name, args, at }) => ({ state: 'running', name, args, started_at: at }));
    case 'tool.finished':
      return patchTool(view, event, finishedTool);
    default:
      return view;
  }
}

function finishTurn(view, turnId, { reason, error = null, usage, cost_usd, at }) {
  const turn = view.turns.find(({ id }) => id === turnId);
  const messages = (turn?.messages ?? []).map((message) => (message.live ? { ...message, live: false } : message));
  const finished = { status: 'finished', reason, error, usage, cost_usd, finished_at: at, messages };
  const status = view.queued.length ? 'working' : 'idle';
  // The turn's own sum is the truth (it holds lost attempts too); it replaces what its steps added up to.
  const settled = turn?.whole ? plus(view.cost_usd, plus(cost_usd, turn.cost_usd, -1)) : view.cost_usd;
  return patchTurn({ ...view, status, cost_usd: settled }, turnId, (old) => ({ ...old, ...finished }));
}

function finishStep(view, event) {
  const { message, step_id, model, usage, cost_usd, timing, stop, attempt, request_sha256, at } = event;
  const numbers = { model, usage, cost_usd, timing, stop, attempt, request_sha256, finished_at: at };
  const finish = (step) => ({ ...step, ...message, key: step_id, step_id, live: false, ...numbers });
  const sums = (whole) => ({ usage: added(whole.usage, usage), cost_usd: plus(whole.cost_usd, cost_usd) });
  return { ...patchStep(view, event, finish, sums), ...sums(view) };
}

function reduceStep(view, event) {
  const running = view.turns.find((turn) => turn.id === turnOf(event.step_id)) ?? view.turns.at(-1);
  if (running?.status !== 'running') return view;
  const patch = (change, gap = null) => ({ ...patchStep(view, { ...event, turn_id: running.id }, change), gap });
  const old = running.messages.find((message) => message.step_id === event.step_id);
  if (old && (!old.live || event.attempt < old.attempt)) return view;
  if (event.type === 'step.snapshot') {
    // `n` may count the fragment that the snapshot ends with or the one that comes next.
    const { attempt, n, parts } = event;
    return patch((step) => ({ ...(step ?? newStep(event)), attempt, parts, next: n, slack: 1 }));
  }
  const fresh = !old || event.attempt > old.attempt;
  const step = fresh ? { ...(old ?? newStep(event)), attempt: event.attempt, parts: [], next: 0, slack: 0 } : old;
  if (event.n < step.next) return view;
  if (event.n > step.next + step.slack) return fresh ? patch(() => step, event.step_id) : { ...view, gap: event.step_id };
  return patch(() => ({ ...step, parts: withDelta(step.parts, event), next: event.n + 1, slack: 0 }), view.gap);
}

function withDelta(parts, { part, kind, delta, ...more }) {
  const type = kind === 'tool_input' ? 'tool_call' : kind;
  const old = parts[part] ?? (type === 'tool_call' ? { type, name: '', args_text: '' } : { type, text: '' });
  const grown = type === 'tool_call' ? { args_text: (old.args_text ?? '') + delta } : { text: old.text + delta };
  const name = more.name ?? more.tool_name;
  const next = [...parts];
  next[part] = { ...old, ...grown, ...(name && { name }) };
  return Array.from(next, (one) => one ?? { type: 'text', text: '' });
}

function fromSnapshot(view, snapshot) {
  const { messages, queued = [], seq, status, usage, cost_usd, questions, type, ...session } = snapshot;
  const known = new Map(view.turns.map((turn) => [turn.id, { ...turn, messages: [], whole: false }]));
  let next = { ...emptyView(), seq, status, usage, cost_usd, session: { ...view.session, ...session } };
  next.queued = queued.map((message) => ({ id: message.id, message }));
  const place = (id, change) => (next = patchTurn(next, id, change, known.get(id) ?? { ...newTurn(id), status: 'finished' }));
  for (const message of messages) {
    place(message.turn_id ?? null, (turn) => {
      const results = message.parts.filter((part) => part.type === 'tool_result');
      const tools = { ...turn.tools };
      for (const result of results) tools[result.call_id] = { ...tools[result.call_id], ...finishedTool({ ...result, result }) };
      return message.role === 'tool' ? { ...turn, tools } : upsert({ ...turn, tools }, { ...message, key: message.id });
    });
  }
  if (session.turn_id) place(session.turn_id, (turn) => ({ ...turn, status: 'running' }));
  return status === 'closed' ? { ...next, closed: view.closed ?? { reason: 'closed', at: null } } : next;
}

const finishedTool = ({ name, result, duration_ms, attempts, at }) => ({
  ...{ name, result, state: result.is_error ? 'failed' : 'done', progress: null },
  ...(at && { duration_ms, attempts, finished_at: at }),
});

const turnOf = (stepOrCall) => stepOrCall.split('.')[0];
const START = { role: 'assistant', live: true, attempt: 1, parts: [], next: 0, slack: 0 };
const newStep = ({ step_id }) => ({ ...START, key: step_id, step_id });
const newTurn = (id) => ({ id, status: 'running', usage: NO_USAGE, cost_usd: 0, messages: [], tools: {} });
const plus = (a, b, sign = 1) => (a == null || b == null ? null : a + sign * b);
const added = (a, b) => Object.fromEntries(Object.keys(NO_USAGE).map((key) => [key, (a?.[key] ?? 0) + (b?.[key] ?? 0)]));

function patchTurn(view, id, change, fallback = newTurn(id)) {
  const index = view.turns.findLastIndex((turn) => turn.id === id);
  const turns = index < 0 ? [...view.turns, change(fallback)] : view.turns.with(index, change(view.turns[index]));
  return { ...view, turns };
}

function patchStep(view, { step_id, turn_id }, change, sums = () => ({})) {
  return patchTurn(view, turn_id ?? turnOf(step_id), (turn) => {
    const step = change(turn.messages.find((message) => message.step_id === step_id));
    return step ? { ...upsert(turn, step), ...sums(turn) } : turn;
  });
}

function patchTool(view, event, change) {
  return patchTurn(view, event.turn_id ?? turnOf(event.call_id), (turn) => {
    const tool = { ...turn.tools[event.call_id], ...change(event) };
    return { ...turn, tools: { ...turn.tools, [event.call_id]: tool } };
  });
}

function upsert(turn, message) {
  const index = turn.messages.findIndex(({ key, id }) => key === message.key || (id && id === message.id));
  const messages = index < 0 ? [...turn.messages, message] : turn.messages.with(index, message);
  return { ...turn, messages };
}
