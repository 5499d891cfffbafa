/** What a screen reader says of things that happen away from where its reader is: questions, and what became of a message. */
import { byId, setText } from '../shared/dom.js';

let known = null;

export function announce(text) {
  setText(byId('announcement'), text);
}

/** Says each question once. `questions`: the open ones; those of a session that is just opened are part of the page. */
export function announceQuestions(sessionId, questions) {
  const before = known?.sessionId === sessionId ? known.ids : null;
  const ids = new Set(questions.map((one) => `${one.session_id ?? ''} ${one.question_id}`));
  known = { sessionId, ids };
  const fresh = questions.filter((one) => before && !before.has(`${one.session_id ?? ''} ${one.question_id}`));
  if (fresh.length) announce([...fresh.map(said), 'Alt and Q leads to it.'].join(' '));
}

function said({ kind, subject, name, prompt }) {
  if (kind === 'budget') return 'A limit is reached. The session waits for your decision.';
  if (subject === 'rewind') return 'Going back needs your approval, for tools have run since. The session waits for it.';
  if (kind === 'approval') return `${name} asks to run. The session waits for your approval.`;
  return `${prompt || `${name} needs an answer.`} The session waits for your answer.`;
}
