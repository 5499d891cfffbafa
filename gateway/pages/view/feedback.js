/**
 * Feedback on turns, as a view has it: by turn id {score, text, by, at}; a snapshot tells the score alone. Pure.
 *
 * Rule: it is the view's and not its turns', for it may come before its turn is loaded, and stays while other branches are shown.
 */

/** The view after `feedback.given`. */
export function rated(view, { turn_id: turnId, score, text, by, at }) {
  const given = { score, ...(text && { text }), ...(by && { by }), at };
  return { ...view, feedback: { ...view.feedback, [turnId]: given } };
}

/** `scores`: as a snapshot has them. What is known of such feedback beside is kept. */
export function scored(known, scores = []) {
  const told = scores.map(({ turn_id: id, score }) => [id, known[id]?.score === score ? known[id] : { score }]);
  return Object.fromEntries(told);
}

/** Feedback of later events, and what earlier ones told of it, or of other turns. */
export function withEarlierFeedback(later, before) {
  return { ...before, ...Object.fromEntries(Object.entries(later).map(([id, given]) => [id, fuller(given, before[id])])) };
}

const fuller = (given, before) => (given.at === undefined && before?.score === given.score ? before : given);
