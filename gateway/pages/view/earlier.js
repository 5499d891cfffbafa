/** The turns before those of a view, which was begun at the end of a long session. Pure. */
import { withEarlierFeedback } from './feedback.js';
import { fromSnapshot } from './snapshots.js';
import { emptyView } from './turns.js';
import { reduce } from './view.js';

/** {turns, feedback} that `events` tell, which are all that follow the cursor `after`. */
export function toldBy(events, after) {
  const { turns, feedback } = events.reduce(reduce, { ...emptyView(), seq: after });
  return { turns, feedback };
}

/** The turns that messages belong to, as far as messages tell of them. */
export function saidBy(messages) {
  const { seq, status, usage, cost_usd } = emptyView();
  return fromSnapshot(emptyView(), { messages, questions: [], seq, status, usage, cost_usd }).turns;
}

/** The view with earlier turns and their feedback; `earlier`: where those before them are, {before, since}. */
export function withEarlier(view, { turns, feedback, earlier }) {
  const found = new Map(turns.map((turn) => [turn.id, turn]));
  // The page before may have begun in the middle of a turn.
  const known = view.turns.map((turn) => (found.has(turn.id) && !turn.whole ? joinedTurn(found.get(turn.id), turn) : turn));
  const ids = new Set(view.turns.map((turn) => turn.id));
  return { ...view, turns: [...turns.filter((turn) => !ids.has(turn.id)), ...known], feedback: withEarlierFeedback(view.feedback, feedback), earlier };
}

function joinedTurn(before, turn) {
  if (before.whole) return before;
  const keys = new Set(turn.messages.map((message) => message.key));
  const messages = [...before.messages.filter((message) => !keys.has(message.key)), ...turn.messages];
  return { ...turn, messages, tools: { ...before.tools, ...turn.tools } };
}
