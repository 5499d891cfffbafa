/**
 * A session as a viewer sees it: a pure fold of its events and of the fragments that stream in between.
 *
 * Rule 1: `reduce(view, event)` changes none of its arguments; unchanged parts keep their objects.
 * Rule 2: a text is in a view once: the fragments of a step are replaced by its `step.finished`.
 */
import { turnOf } from './ids.js';
import { stillOpen } from './sub_views.js';
import { answeredTool, askedTools, askingTool, finishedTool, startedTool } from './tool_calls.js';

const NO_USAGE = { input_tokens: 0, cached_tokens: 0, cache_write_tokens: 0, output_tokens: 0, reasoning_tokens: 0 };

/**
 * The initial value for `reduce`. A view is {seq, session, status, closed, usage, cost_usd, turns, queued, rejected, gap}:
 * turns: {id, status: 'running'|'finished', cause, reason, error, usage, cost_usd, started_at, finished_at, messages, tools}
 * messages: the API's, and for answers {key, step_id, live, attempt, model, usage, cost_usd, timing, stop, ...}
 * tools: by call_id {state: 'asking'|'allowed'|'running'|'done'|'failed'|'stopped', name, args, result, started_at, duration_ms,
 *   attempts, progress, edited, questions, session_id, agent, usage, cost_usd}; `edited`: it runs with other arguments than the
 *   model's; `session_id`: of the sub-agent that answers it; `agent`: the sub-agent's own view, as far as known, and its spending
 * questions: of a call, in order {question_id, call_id, kind: 'approval'|'input', form, state, name, args, prompt, expires_at, remember, again, asked_at,
 *   settled_at, reason, by, value}; state: 'open'|'approved'|'denied'|'answered'|'declined'|'expired'|'stopped'
 * queued: [{id, message}] in order; `message` is null until `withFacts` supplies it
 * gap: not null while something is missing, until a snapshot or the missing event arrives; `watch` then reconnects.
 */
export function emptyView() {
  const lists = { turns: [], queued: [], rejected: [] };
  return { seq: 0, session: {}, status: 'idle', closed: null, usage: NO_USAGE, cost_usd: 0, ...lists, gap: null };
}

/** The open questions, oldest first. */
export function openQuestions(view) {
  const tools = view.turns.filter((turn) => turn.status === 'running').flatMap((turn) => Object.values(turn.tools));
  return tools.flatMap((tool) => (tool.questions ?? []).filter((question) => question.state === 'open'));
}

/** The view after one event of the stream. Repeated events and fragments of finished steps change nothing. */
export function reduce(view, event) {
  if (event.type === 'session.snapshot') return fromSnapshot(view, event);
  if (event.type === 'step.delta' || event.type === 'step.snapshot') return reduceStep(view, event);
  if (event.type === 'tool.progress') return reduceProgress(view, event);
  if (event.type === 'agent.event') return reduceAgent(view, event);
  if (!Number.isInteger(event.seq) || event.seq <= view.seq) return view;
  // The same gap twice means that the server has nothing in between: continue without it.
  if (event.seq > view.seq + 1 && view.gap !== event.seq) return { ...view, gap: view.gap ?? event.seq };
  return { ...reduceFact(view, event), seq: event.seq, gap: null };
}

/** Takes what only `GET /v1/sessions/{id}` contains; its transcript is ignored, because events alone make the turns. */
export function withFacts(view, { messages, queued = [], questions, seq, status, usage, cost_usd, ...session }) {
  const known = new Map(queued.map((message) => [message.id, message]));
  // A snapshot omits questions that are no longer open.
  const facts = { ...view, session: { ...view.session, sub_questions: [], ...session } };
  facts.queued = view.queued.map((entry) =>
    entry.message ? entry : { ...entry, message: known.get(entry.id) ?? null },
  );
  return seq === view.seq ? { ...facts, status, usage, cost_usd } : facts;
}

function reduceFact(view, event) {
  const turnId = event.turn_id ?? event.message?.turn_id ?? null;
  switch (event.type) {
    case 'session.started':
      return { ...view, session: { created_at: event.at, ...view.session, agent: event.agent, digest: event.digest } };
    case 'session.closed':
      return { ...view, status: 'closed', closed: { reason: event.reason, at: event.at } };
    case 'agent.updated':
      return { ...view, session: { ...view.session, digest: event.new, ...(event.agent && { agent: event.agent }) } };
    case 'message.added': {
      const queued = view.queued.filter((entry) => entry.id !== event.message.id);
      return patchTurn({ ...view, queued }, turnId, (turn) =>
        upsert(turn, { ...event.message, key: event.message.id }),
      );
    }
    case 'message.queued': {
      if (view.queued.some((entry) => entry.id === event.message_id)) return view;
      return { ...view, queued: [...view.queued, { id: event.message_id, message: null }] };
    }
    case 'message.rejected': {
      const { message_id: id, reason } = event;
      return {
        ...view,
        queued: view.queued.filter((entry) => entry.id !== id),
        rejected: [...view.rejected, { id, reason }],
      };
    }
    case 'turn.started': {
      // A message that arrived just before, without a turn, is the one that this turn answers.
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
      return patchTool(view, event, startedTool);
    case 'tool.finished':
      return rested(finishCall(view, event));
    case 'approval.requested':
    case 'input.requested':
      return rested(patchTool(view, event, askingTool));
    case 'approval.resolved':
    case 'input.received':
      return rested(answered(view, event));
    default:
      return view;
  }
}

/** `input.received` does not name the call: it is the one that asked. */
function answered(view, event) {
  const call = event.call_id ?? askerOf(view, event.question_id);
  return call ? patchTool(view, { ...event, call_id: call }, answeredTool) : view;
}

/** The id of the call whose question this is. */
function askerOf(view, id) {
  const calls = view.turns.flatMap((turn) => Object.entries(turn.tools));
  return calls.find(([, tool]) => tool.questions?.some((one) => one.question_id === id))?.[0];
}

/** A sub-agent's spending counts here as well. */
function finishCall(view, event) {
  const next = patchTool(view, event, finishedTool);
  if (!event.usage) return next;
  const sums = (whole) => ({ usage: added(whole.usage, event.usage), cost_usd: plus(whole.cost_usd, event.cost_usd) });
  return { ...patchTurn(next, event.turn_id ?? turnOf(event.call_id), (turn) => ({ ...turn, ...sums(turn) })), ...sums(next) };
}

/** Folds a sub-agent's event into its own view at the call that it answers; its questions are not this session's. */
function reduceAgent(view, { call_id, session_id, event }) {
  const turn = view.turns.find(({ id }) => id === turnOf(call_id));
  const tool = turn?.tools[call_id];
  if (!turn) return view;
  const agent = reduce(tool?.agent ?? emptyView(), event);
  const asked = view.session.sub_questions;
  const left = stillOpen(asked, { type: 'agent.event', call_id, session_id, event });
  const next = left === asked ? view : { ...view, session: { ...view.session, sub_questions: left } };
  if (agent === tool?.agent && tool.session_id) return next;
  return patchTool(next, { call_id }, () => ({ state: tool?.state ?? 'running', session_id, agent }));
}

/** A session waits as long as any question is open. */
function rested(view) {
  if (!['working', 'waiting'].includes(view.status)) return view;
  return { ...view, status: openQuestions(view).length ? 'waiting' : 'working' };
}

function reduceProgress(view, { call_id, message = null, fraction = null }) {
  const turn = view.turns.find(({ id }) => id === turnOf(call_id));
  // After a snapshot, progress is the only sign that a call is running.
  const state = turn?.tools[call_id]?.state ?? 'running';
  if (turn?.status !== 'running' || state !== 'running') return view;
  return patchTool(view, { call_id }, () => ({ state, progress: { message, fraction } }));
}

function finishTurn(view, turnId, { reason, error = null, usage, cost_usd, at }) {
  const turn = view.turns.find(({ id }) => id === turnId) ?? newTurn(turnId);
  const messages = turn.messages.map((message) => (message.live ? { ...message, live: false } : message));
  const finished = { status: 'finished', reason, error, usage, cost_usd, finished_at: at, messages };
  const status = view.queued.length ? 'working' : 'idle';
  // The turn's own total is authoritative (it includes lost attempts); it replaces the sum of its steps.
  const settled = turn.whole ? plus(view.cost_usd, plus(cost_usd, turn.cost_usd, -1)) : view.cost_usd;
  return patchTurn({ ...view, status, cost_usd: settled }, turnId, (old) => ({ ...old, ...finished }));
}

function finishStep(view, event) {
  const { message, step_id, model, usage, cost_usd, timing, stop, attempt, request_sha256, adapted, skipped, at } = event;
  const told = { ...(adapted && { adapted }), ...(skipped && { skipped }) };
  const numbers = { model, usage, cost_usd, timing, stop, attempt, request_sha256, finished_at: at, ...told };
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
    const { attempt, n, parts } = event;
    return patch((step) => ({ ...(step ?? newStep(event)), attempt, parts: parts.map(livePart), next: n }));
  }
  const fresh = !old || event.attempt > old.attempt;
  const step = fresh ? { ...(old ?? newStep(event)), attempt: event.attempt, parts: [], next: 0 } : old;
  if (event.n < step.next) return view;
  if (event.n > step.next) return fresh ? patch(() => step, event.step_id) : { ...view, gap: event.step_id };
  return patch(() => ({ ...step, parts: withDelta(step.parts, event), next: event.n + 1 }), view.gap);
}

/** A growing part in the form of messages; a tool call's input is text (`args_text`) until it is complete. */
function livePart({ type, text, name }) {
  return type === 'tool_input' ? { type: 'tool_call', name: name ?? '', args_text: text } : { type, text };
}

function withDelta(parts, { part, kind, delta, name }) {
  const old = parts[part];
  const text = (old?.text ?? old?.args_text ?? '') + delta;
  // Skipped parts are still empty.
  return Array.from({ length: Math.max(parts.length, part + 1) }, (_, index) =>
    index === part
      ? livePart({ type: kind, text, name: name ?? old?.name })
      : (parts[index] ?? { type: 'text', text: '' }),
  );
}

function fromSnapshot(view, snapshot) {
  const { messages, queued = [], seq, status, usage, cost_usd, questions, type, ...session } = snapshot;
  const known = new Map(view.turns.map((turn) => [turn.id, { ...turn, messages: [], whole: false }]));
  let next = { ...emptyView(), seq, status, usage, cost_usd, session: { ...view.session, sub_questions: [], ...session } };
  next.queued = queued.map((message) => ({ id: message.id, message }));
  const place = (id, change) =>
    (next = patchTurn(next, id, change, known.get(id) ?? { ...newTurn(id), status: 'finished' }));
  for (const message of messages) {
    place(message.turn_id ?? null, (turn) => {
      const results = message.parts.filter((part) => part.type === 'tool_result');
      const tools = { ...turn.tools };
      for (const result of results)
        tools[result.call_id] = {
          ...tools[result.call_id],
          ...finishedTool({ ...result, result }, tools[result.call_id]),
        };
      return message.role === 'tool' ? { ...turn, tools } : upsert({ ...turn, tools }, { ...message, key: message.id });
    });
  }
  if (session.turn_id) place(session.turn_id, (turn) => ({ ...turn, status: 'running', tools: askedTools(turn, questions) }));
  return status === 'closed' ? { ...next, closed: view.closed ?? { reason: 'closed', at: null } } : next;
}

const START = { role: 'assistant', live: true, attempt: 1, parts: [], next: 0 };
const newStep = ({ step_id }) => ({ ...START, key: step_id, step_id });
const newTurn = (id) => ({ id, status: 'running', usage: NO_USAGE, cost_usd: 0, messages: [], tools: {} });
const plus = (a, b, sign = 1) => (a == null || b == null ? null : a + sign * b);
/** A sum with an estimate in it is one. */
const added = (a, b) => ({
  ...Object.fromEntries(Object.keys(NO_USAGE).map((key) => [key, (a?.[key] ?? 0) + (b?.[key] ?? 0)])),
  ...((a?.estimated || b?.estimated) && { estimated: true }),
});

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
    const known = turn.tools[event.call_id] ?? {};
    const tool = { ...known, ...change(event, known) };
    return { ...turn, tools: { ...turn.tools, [event.call_id]: tool } };
  });
}

function upsert(turn, message) {
  const index = turn.messages.findIndex(({ key, id }) => key === message.key || (id && id === message.id));
  const messages = index < 0 ? [...turn.messages, message] : turn.messages.with(index, message);
  return { ...turn, messages };
}
