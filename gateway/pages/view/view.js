/**
 * A session as a viewer sees it: a pure fold of its events and of the fragments that stream in between.
 *
 * Rule 1: `reduce(view, event)` changes none of its arguments; unchanged parts keep their objects.
 * Rule 2: a text is in a view once: the fragments of a step are replaced by its `step.finished`.
 */
import { rewound, withPlaces } from './branches.js';
import { answeredTurn, endedTurn, pausedTurn, raisedTurn } from './budgets.js';
import { rated } from './feedback.js';
import { compacted } from './folds.js';
import { finishStep, reduceRetrying, reduceStep } from './growing.js';
import { answeredBy, askedBy, asksForHandler } from './handlers.js';
import { turnOf } from './ids.js';
import { left, queued, rejected } from './queue.js';
import { fromSnapshot, withFacts } from './snapshots.js';
import { stillOpen } from './sub_views.js';
import { answeredTool, askingTool, finishedTool, startedTool } from './tool_calls.js';
import { added, emptyView, newStep, newTurn, patchStep, patchTool, patchTurn, plus, upsert } from './turns.js';

export { emptyView, withFacts, withPlaces };

/** The open questions, oldest first. */
export function openQuestions(view) {
  const running = view.turns.filter((turn) => turn.status === 'running');
  const asked = running.flatMap((turn) => [...Object.values(turn.tools), turn].flatMap((one) => one.questions ?? []));
  return [...view.asked, ...asked].filter((question) => question.state === 'open');
}

/** The view after one event of the stream. Repeated events and fragments of finished steps change nothing. */
export function reduce(view, event) {
  if (event.type === 'session.snapshot') return fromSnapshot(view, event);
  if (event.type === 'step.delta' || event.type === 'step.snapshot') return reduceStep(view, event);
  if (event.type === 'step.retrying') return reduceRetrying(view, event);
  if (event.type === 'tool.progress') return reduceProgress(view, event);
  if (event.type === 'agent.event') return reduceAgent(view, event);
  if (event.type === 'workers.state') return { ...view, missing: event.missing };
  if (!Number.isInteger(event.seq) || event.seq <= view.seq) return view;
  // The same gap twice means that the server has nothing in between: continue without it.
  if (event.seq > view.seq + 1 && view.gap !== event.seq) return { ...view, gap: view.gap ?? event.seq };
  return { ...reduceFact(view, event), seq: event.seq, gap: null };
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
      const waiting = left(view, event.message.id);
      // A note may come while the session rests, as after a rewind to an earlier branch.
      const fallback = { ...newTurn(turnId), status: turnId === null ? 'finished' : 'running' };
      const said = { ...event.message, key: event.message.id };
      return patchTurn({ ...view, queued: waiting }, turnId, (turn) => upsert(turn, said), fallback);
    }
    case 'message.queued':
      return queued(view, event);
    case 'message.rejected':
      return rejected(view, event);
    case 'transcript.rewound':
      return rewound(view, event);
    case 'todo.updated':
      return { ...view, todo: event.items };
    case 'feedback.given':
      return rated(view, event);
    case 'context.compacted':
      return compacted(view, event);
    case 'budget.paused':
      return rested(patchTurn(view, turnId, (turn) => pausedTurn(turn, event)));
    case 'budget.raised':
      return turnId ? rested(patchTurn(view, turnId, (turn) => raisedTurn(turn, event))) : view;
    case 'turn.started': {
      // A message that arrived just before, without a turn, is the one that this turn answers.
      const adopted = view.turns.map((turn) => (turn.id === null ? { ...turn, id: turnId } : turn));
      const { cause, continues, at } = event;
      const started = { status: 'running', whole: true, cause, started_at: at, ...(continues && { continues }) };
      const queued = event.trigger_id ? left(view, event.trigger_id) : view.queued;
      return patchTurn({ ...view, queued, turns: adopted, status: 'working' }, turnId, (turn) => ({ ...turn, ...started }));
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
      if (asksForHandler(event)) return { ...view, asked: askedBy(view.asked, event) };
      return rested(patchTool(view, event, askingTool));
    case 'approval.resolved':
    case 'input.received':
      return rested(answered(view, event));
    default:
      return view;
  }
}

/** `input.received` does not name the call: it is the one that asked, or the turn itself. */
function answered(view, event) {
  const asked = answeredBy(view.asked, event);
  if (asked !== view.asked) return { ...view, asked, status: view.status === 'waiting' ? statusWith({ ...view, asked }) : view.status };
  const call = event.call_id ?? askerOf(view, event.question_id);
  if (call) return patchTool(view, { ...event, call_id: call }, answeredTool);
  return event.turn_id ? patchTurn(view, event.turn_id, (turn) => answeredTurn(turn, event)) : view;
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

/** A session waits as long as any question is open; what a handler asks holds no turn up. */
function rested(view) {
  if (!['working', 'waiting'].includes(view.status)) return view;
  return { ...view, status: openQuestions(view).every(asksForHandler) ? 'working' : 'waiting' };
}

/** The status of a session that waits, once a handler's question is settled. */
function statusWith(view) {
  if (view.turns.some(({ status }) => status === 'running')) return rested(view).status;
  return asksOf(view) ? 'waiting' : 'idle';
}

const asksOf = ({ asked }) => asked.some(({ state }) => state === 'open');

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
  const status = view.queued.length ? 'working' : asksOf(view) ? 'waiting' : 'idle';
  // The turn's own total is authoritative (it includes lost attempts); it replaces the sum of its steps.
  const settled = turn.whole ? plus(view.cost_usd, plus(cost_usd, turn.cost_usd, -1)) : view.cost_usd;
  return patchTurn({ ...view, status, cost_usd: settled }, turnId, (old) => ({ ...endedTurn(old, { reason, at }), ...finished }));
}
