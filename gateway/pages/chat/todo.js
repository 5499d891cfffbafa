/**
 * The agent's to-do list, above the text box: one line that says how far it is, and unfolds.
 *
 * Rule: a list that a person has folded or unfolded stays so, in this session.
 */
import { h, icon, keyed, setText } from '../shared/dom.js';

const SMALL = matchMedia('(max-width: 560px), (max-height: 560px)');
const SAID = { pending: 'to do', doing: 'in progress', done: 'done' };

/** `items`: [{id, text, status}]. */
export function drawTodo(container, items, sessionId) {
  container.hidden = items.length === 0;
  if (!container.firstChild) container.append(h('summary', {}, h('span', {}), icon('chevron')), h('ol', { 'aria-label': 'To-do list' }));
  if (container.dataset.session !== String(sessionId)) {
    container.dataset.session = String(sessionId);
    container.open = !SMALL.matches;
  }
  const [summary, list] = container.children;
  setText(summary.firstChild, headline(items));
  keyed(list, items, { key: ({ id }) => id, make: makeRow, update: drawRow });
}

function headline(items) {
  const done = items.filter(({ status }) => status === 'done').length;
  if (done === items.length) return `To do: all ${done} done`;
  const now = items.find(({ status }) => status === 'doing');
  return `To do: ${done} of ${items.length} done${now ? `. Now: ${now.text}` : ''}`;
}

function makeRow() {
  return h('li', {}, h('span', {}), h('span', { class: 'hidden' }));
}

function drawRow(node, { text, status }) {
  const [what, state] = node.children;
  node.dataset.status = status;
  setText(what, text);
  setText(state, ` (${SAID[status]})`);
}
