/** Where a message stands that was sent while the session works, in words; and what the session waits for first. */
import { openBelow, openQuestions } from '../../client.js';
import { announce } from './announcer.js';

/** `receipt`: the server's answer to a message. */
export function tellDisposition({ position, waiting_for: waiting }) {
  if (waiting?.length) announce(`Your message waits for ${what(waiting[0])} first.`);
  else if (position) announce(`Your message waits as number ${position}.`);
}

/** {words, show()} of the oldest open question, which `show` brings into sight; null: only the running turn is waited for. */
export function waitsFor(view, transcript) {
  // What a handler asks keeps no message waiting.
  const [first] = [...openQuestions(view), ...openBelow(view)].filter(({ subject }) => subject !== 'handler');
  if (!first) return null;
  return { words: what(first), show: () => show(first, transcript) };
}

/** Leads to the oldest open question that is not being answered, whoever asks it. */
export function toQuestion(view, transcript) {
  const open = [...openQuestions(view), ...openBelow(view)];
  const first = open.find((one) => !cardOf(one, transcript)?.querySelector('fieldset:disabled')) ?? open[0];
  if (first) show(first, transcript);
}

const cardOf = ({ question_id: id }, transcript) =>
  [...transcript.querySelectorAll('form.card')].find((one) => one.dataset.question === id);

function show(question, transcript) {
  const card = cardOf(question, transcript);
  card?.scrollIntoView({ block: 'center' });
  card?.querySelector('button, input, textarea, select')?.focus({ preventScroll: true });
}

const what = ({ kind }) => ({ approval: 'your approval', budget: 'your decision about the limit' })[kind] ?? 'your answer';
