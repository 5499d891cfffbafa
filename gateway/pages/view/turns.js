/**
 * A view, its turns, and how one turn, step or call of it is replaced. Pure; nothing given is changed.
 */
import { turnOf } from './ids.js';

const NO_USAGE = { input_tokens: 0, cached_tokens: 0, cache_write_tokens: 0, output_tokens: 0, reasoning_tokens: 0 };

/**
 * The initial value for `reduce`. A view is {seq, session, status, closed, usage, cost_usd, turns, asked, branch, branches, places, folds,
 * queued, rejected, todo, feedback, lost, gap}:
 * turns: of the branch that goes on, {id, status: 'running'|'finished', cause, reason, error, usage, cost_usd, started_at, finished_at,
 *   messages, tools, questions}; `questions` at limits: {question_id, kind: 'budget', state, scope, limit, cap, spent, needs, spent_usd, needs_usd,
 *   words, raised: {scope, limit, value, lifted?}, by, asked_at, settled_at}
 * messages: the API's, and for answers {key, step_id, live, attempt, model, usage, cost_usd, timing, stop, trouble, overcame, ...}, the last
 *   two as in `growing.js`
 * tools: by call_id {state: 'asking'|'allowed'|'running'|'done'|'failed'|'stopped', name, args, result, started_at, duration_ms,
 *   attempts, progress, edited, questions, session_id, agent, usage, cost_usd}; `edited`: it runs with other arguments than the
 *   model's; `session_id`: of the sub-agent that answers it; `agent`: the sub-agent's own view, as far as known, and its spending
 * questions: of a call, in order {question_id, call_id, kind: 'approval'|'input', form, state, name, args, prompt, expires_at, remember, again, roles, asked_at,
 *   settled_at, reason, by, value}; state: 'open'|'approved'|'denied'|'answered'|'declined'|'expired'|'superseded'|
 *   'stopped', of a limit 'raised'
 * asked: what handlers ask, outside of any call; questions as of a call, with `subject: 'handler'`, see `handlers.js`
 * branch, branches, places, lost: see `branches.js`
 * folds: see `folds.js`
 * queued: [{id, message, busy}] in order, `busy` as in `queue.js`; `message` is null until `withFacts` supplies it
 * feedback: see `feedback.js`
 * todo: the agent's list, [{id, text, status: 'pending'|'doing'|'done'}]
 * earlier: only of a view that was begun at the session's end, {before, since}: messages before those of `turns`, and the cursor that
 *   these turns begin at, null where messages stand in for events
 * gap: not null while something is missing, until a snapshot or the missing event arrives; `watch` then reconnects.
 */
export function emptyView() {
  const lists = { turns: [], asked: [], branches: {}, places: [], folds: [], queued: [], rejected: [], todo: [] };
  const start = { seq: 0, session: {}, status: 'idle', closed: null, usage: NO_USAGE, cost_usd: 0, branch: null };
  // `missing`: what no worker takes at the moment, among 'sessions', 'models', 'tools'.
  return { ...start, ...lists, feedback: {}, missing: [], lost: false, gap: null };
}

const START = { role: 'assistant', live: true, attempt: 1, parts: [], next: 0 };
export const newStep = ({ step_id }) => ({ ...START, key: step_id, step_id });
export const newTurn = (id) => ({ id, status: 'running', usage: NO_USAGE, cost_usd: 0, messages: [], tools: {} });
export const plus = (a, b, sign = 1) => (a == null || b == null ? null : a + sign * b);
/** A sum with an estimate in it is one. */
export const added = (a, b) => ({
  ...Object.fromEntries(Object.keys(NO_USAGE).map((key) => [key, (a?.[key] ?? 0) + (b?.[key] ?? 0)])),
  ...((a?.estimated || b?.estimated) && { estimated: true }),
});

export function patchTurn(view, id, change, fallback = newTurn(id)) {
  const index = view.turns.findLastIndex((turn) => turn.id === id);
  const turns = index < 0 ? [...view.turns, change(fallback)] : view.turns.with(index, change(view.turns[index]));
  return { ...view, turns };
}

export function patchStep(view, { step_id, turn_id }, change, sums = () => ({})) {
  return patchTurn(view, turn_id ?? turnOf(step_id), (turn) => {
    const step = change(turn.messages.find((message) => message.step_id === step_id));
    return step ? { ...upsert(turn, step), ...sums(turn) } : turn;
  });
}

export function patchTool(view, event, change) {
  return patchTurn(view, event.turn_id ?? turnOf(event.call_id), (turn) => {
    const known = turn.tools[event.call_id] ?? {};
    const tool = { ...known, ...change(event, known) };
    return { ...turn, tools: { ...turn.tools, [event.call_id]: tool } };
  });
}

export function upsert(turn, message) {
  const index = turn.messages.findIndex(({ key, id }) => key === message.key || (id && id === message.id));
  const messages = index < 0 ? [...turn.messages, message] : turn.messages.with(index, message);
  return { ...turn, messages };
}
