/**
 * The agent's to-do list, above the text box: one line that says how far it is, and unfolds.
 *
 * Rule: a list that a person has folded or unfolded stays so, in this session.
 */
import { h, icon, keyed, setText } from '../shared/dom.js';
import { drawTodo as drawRow, howFar, makeTodo } from '../shared/todo_list.js';

const SMALL = matchMedia('(max-width: 560px), (max-height: 560px)');

/** `items`: [{id, text, status}]. */
export function drawTodo(container, items, sessionId) {
  container.hidden = items.length === 0;
  if (!container.firstChild) container.append(h('summary', {}, h('span', {}), icon('chevron')), h('ol', { class: 'todo-list', 'aria-label': 'To-do list' }));
  if (container.dataset.session !== String(sessionId)) {
    container.dataset.session = String(sessionId);
    container.open = !SMALL.matches;
  }
  const [summary, list] = container.children;
  setText(summary.firstChild, `To do: ${howFar(items)}`);
  keyed(list, items, { key: ({ id }) => id, make: makeTodo, update: drawRow });
}
