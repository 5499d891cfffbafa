/** Snapshots of a session: a view made of one, and what only they tell. Pure. */
import { askedTurn } from './budgets.js';
import { scored, withEarlierFeedback } from './feedback.js';
import { askedThen, withAsked } from './handlers.js';
import { askedTools, finishedTool } from './tool_calls.js';
import { emptyView, newTurn, patchTurn, upsert } from './turns.js';

/** Takes what only `GET /v1/sessions/{id}` contains; its transcript is ignored, because events alone make the turns. */
export function withFacts(view, { messages, queued = [], questions, todo = [], feedback, seq, status, usage, cost_usd, before, since, ...session }) {
  const known = new Map(queued.map((message) => [message.id, message]));
  // A snapshot omits questions that are no longer open.
  const facts = { ...view, session: { ...view.session, sub_questions: [], ...session } };
  facts.queued = view.queued.map((entry) =>
    entry.message ? entry : { ...entry, message: known.get(entry.id) ?? null },
  );
  if (seq >= view.seq) facts.asked = withAsked(view.asked, questions ?? []);
  // A view may begin behind the event that told the list. One that knows more than the snapshot keeps its own.
  if (seq >= view.seq) facts.todo = todo;
  if (seq >= view.seq) facts.feedback = withEarlierFeedback(scored(view.feedback, feedback), view.feedback);
  return seq === view.seq ? { ...facts, status, usage, cost_usd } : facts;
}

/** The view that a snapshot makes. Turns of `view` keep what only their events told. */
export function fromSnapshot(view, snapshot) {
  const { messages, queued = [], todo = [], feedback, seq, status, usage, cost_usd, questions, type, before, since, ...session } = snapshot;
  const known = new Map(view.turns.map((turn) => [turn.id, { ...turn, messages: [], whole: false }]));
  const branch = session.branch ?? view.branch;
  const kept = { branch, branches: view.branches, places: view.places, folds: view.folds, missing: view.missing };
  const asked = askedThen(view.asked, questions ?? []);
  let next = { ...emptyView(), ...kept, asked, todo, feedback: scored(view.feedback, feedback), seq, status, usage, cost_usd, session: { ...view.session, sub_questions: [], ...session } };
  next.queued = queued.map((message) => ({ id: message.id, message }));
  next = placed(next, messages, known);
  if (session.turn_id) {
    const asked = (turn) => askedTools(turn, questions.filter((one) => one.call_id));
    next = patchTurn(next, session.turn_id, (turn) => ({ ...askedTurn(turn, questions), status: 'running', tools: asked(turn) }), known.get(session.turn_id));
  }
  return status === 'closed' ? { ...next, closed: view.closed ?? { reason: 'closed', at: null } } : next;
}

/** The view with messages at the end of their turns. `known`: by turn id, what is known of turns that the view lacks. */
function placed(view, messages, known) {
  let next = view;
  for (const message of messages) {
    const id = message.turn_id ?? null;
    const fallback = known.get(id) ?? { ...newTurn(id), status: 'finished' };
    next = patchTurn(next, id, (turn) => withMessage(turn, message), fallback);
  }
  return next;
}

function withMessage(turn, message) {
  const tools = { ...turn.tools };
  for (const result of message.parts.filter((part) => part.type === 'tool_result')) {
    const tool = tools[result.call_id];
    tools[result.call_id] = { ...tool, ...finishedTool({ ...result, result }, tool) };
  }
  return message.role === 'tool' ? { ...turn, tools } : upsert({ ...turn, tools }, { ...message, key: message.id });
}
