/** What handlers ask, which is of the session: the turn that asked has ended, and its handler waits. Pure. */
import { turnOf } from './ids.js';
import { questionOf } from './tool_calls.js';

const REASONS = ['superseded', 'stopped', 'expired'];

/** Whether a question, or the event that asks it, is a handler's. */
export const asksForHandler = ({ subject }) => subject === 'handler';

/** The questions with the one that `event` asks. */
export function askedBy(asked, event) {
  const known = asked.find((one) => one.question_id === event.question_id);
  if (known && known.state !== 'open') return asked;
  return [...asked.filter((one) => one !== known), questionOf(event)];
}

/** The questions after `input.received`; the same list where it settles none of them. */
export function answeredBy(asked, { question_id: id, value = null, reason = null, by = null, at = null }) {
  if (!asked.some((one) => one.question_id === id && one.state === 'open')) return asked;
  const state = !by && REASONS.includes(reason) ? reason : value === null ? 'declined' : 'answered';
  return asked.map((one) => (one.question_id === id ? { ...one, state, reason, by, value, settled_at: at } : one));
}

/** The questions as a snapshot tells them: those that are missing there were answered in the meantime. */
export function askedThen(asked, questions) {
  const told = questions.filter(asksForHandler);
  const open = new Set(told.map((one) => one.question_id));
  const kept = asked.map((one) => (one.state === 'open' && !open.has(one.question_id) ? { ...one, state: 'answered' } : one));
  return withAsked(kept, told);
}

/** The questions with those of a snapshot that are not among them, as where their turns are not in the view. */
export function withAsked(asked, questions) {
  const known = new Set(asked.map((one) => one.question_id));
  const more = questions.filter((one) => asksForHandler(one) && !known.has(one.question_id));
  return more.length ? [...asked, ...more.map(({ kind, ...one }) => questionOf({ ...one, type: kind }))] : asked;
}

/** The questions that these turns asked. */
export function askedIn(asked, turns) {
  const ids = new Set(turns.map(({ id }) => id));
  return asked.filter((one) => ids.has(turnOf(one.question_id)));
}

/** The open questions of turns that are not among these. */
export function askedBefore(asked, turns) {
  const ids = new Set(turns.map(({ id }) => id));
  return asked.filter((one) => one.state === 'open' && !ids.has(turnOf(one.question_id)));
}
