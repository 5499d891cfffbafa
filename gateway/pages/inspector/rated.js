/** The feedback on a turn: the score, what was said with it, and who gave it. */
import { h, icon } from '../shared/dom.js';

/** `given`: as in `feedback.js`; absent where nobody gave any. */
export function drawRated(node, given) {
  node.hidden = !given || (given.score === 0 && !given.text);
  if (node.hidden) return;
  const { score, text, by, at } = given;
  node.title = at ? new Date(at).toLocaleString() : '';
  const mark = score > 0 ? 'thumb-up' : score < 0 ? 'thumb-down' : null;
  node.replaceChildren(
    ...[mark && icon(mark), h('strong', {}, `Feedback ${score > 0 ? '+' : ''}${score}`), text && h('span', { dir: 'auto' }, text), by && h('small', {}, `by ${by.subject}`)].filter(Boolean),
  );
}
