/** Why a turn ended, for people: the one table of reasons and of error types. Pure. */

/** By a turn's `reason`; `again`: running it on is worth a try. */
const REASONS = {
  failed: { bad: true, text: 'This turn failed.', again: true },
  budget: { bad: true, text: 'Stopped at a limit.', again: true },
  max_steps: { bad: true, text: 'Stopped at the limit of steps for one turn.', again: true },
  stopped: { bad: false, text: 'Stopped.', again: true },
  interrupted: { bad: false, text: 'Interrupted by a newer message.', again: false },
  parked: { bad: false, text: 'The agent goes on with this later.', again: false },
};

/** By an error's `type`, where that says more than the reason. */
const ERRORS = {
  working_time: 'It worked as long as one turn may.',
  repeated_call: 'It kept making the same call with the same result.',
  answer_repeated: 'It kept repeating the same text.',
  budget_exceeded: 'Stopped at a limit.',
  price_unknown: 'There is a cost limit, and the price of the model is not known.',
  empty_answer: 'The model gave no answer, also when asked once more.',
  model_context_length: 'The conversation does not fit the model’s context window.',
  model_quota: 'The provider’s quota is used up.',
  model_rate_limited: 'The provider takes no more requests at the moment.',
  model_overloaded: 'The provider is overloaded.',
  model_connection: 'The model’s server could not be reached.',
  answer_cut: 'The answer was cut at the most tokens that the model may write.',
  answer_refused: 'The model declined to answer.',
  answer_filtered: 'The provider’s content filter cut the answer.',
};

/** {bad, text, why, code, again} of a finished turn, or null if the answer needs no comment. */
export function outcome({ reason, error }) {
  const known = REASONS[reason];
  if (!known) return null;
  const { type, message } = error ?? {};
  const text = ERRORS[type] ?? known.text;
  const why = message ?? (reason === 'failed' ? 'No reason was given.' : null);
  return { ...known, text, why: known.bad ? why : null, code: known.bad ? type : undefined };
}
