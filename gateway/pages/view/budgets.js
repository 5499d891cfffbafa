/** Questions of a turn itself, which ask at a limit what shall become of it. Pure. */

/** The turn with the question that `budget.paused` asks. */
export function pausedTurn(turn, event) {
  const { question_id, scope, limit, cap = null, spent, needs, spent_usd = null, needs_usd = null, words = null, at = null } = { ...event.budget, ...event };
  const asked = { question_id, kind: 'budget', state: 'open', scope, limit, cap, spent, needs, spent_usd, needs_usd, words, asked_at: at };
  const before = (turn.questions ?? []).filter((one) => one.question_id !== question_id);
  return { ...turn, questions: [...before, asked] };
}

/** The turn once more may be spent. An event without a question, as of a limit that was set elsewhere, settles none. */
export function raisedTurn(turn, { question_id: id, scope, limit, value = null, this_turn: once = false, by = null, at = null }) {
  const raised = { scope, limit, value: once ? null : value };
  // Nobody here knows the cap of a provider's quota.
  if (!once && value === null && limit !== 'provider') raised.lifted = true;
  return settledTurn(turn, (one) => (one.question_id === id ? { ...one, state: 'raised', raised, by, settled_at: at } : one));
}

/** The turn whose question `input.received` settles: it was declined, superseded or taken back, or would not be asked any
 * more, for another model answers or another limit holds. */
export function answeredTurn(turn, { question_id: id, value, reason = null, by = null, at = null }) {
  const settled = { superseded: 'superseded', settled: 'answered' }[reason] ?? 'stopped';
  const state = value?.approved === false ? 'declined' : settled;
  return settledTurn(turn, (one) => (one.question_id === id ? { ...one, state, reason, by, settled_at: at } : one));
}

/** The turn that is over: what it asked is settled with it. */
export function endedTurn(turn, { reason, at = null, by = null }) {
  const state = { budget: 'declined', interrupted: 'superseded' }[reason] ?? 'stopped';
  return settledTurn(turn, (one) => ({ ...one, state, by, settled_at: at }));
}

/** The running turn with a snapshot's questions: those that are missing there were answered in the meantime. */
export function askedTurn(turn, questions) {
  const asked = questions.filter(({ kind }) => kind === 'budget');
  const open = new Set(asked.map((one) => one.question_id));
  const known = settledTurn(turn, (one) => (open.has(one.question_id) ? one : { ...one, state: 'answered' }));
  return asked.reduce((next, one) => {
    const before = turn.questions?.find(({ question_id: id }) => id === one.question_id);
    return pausedTurn(next, { ...before, ...one, at: before?.asked_at ?? null });
  }, known);
}

function settledTurn(turn, change) {
  if (!turn.questions?.some((one) => one.state === 'open')) return turn;
  return { ...turn, questions: turn.questions.map((one) => (one.state === 'open' ? change(one) : one)) };
}
