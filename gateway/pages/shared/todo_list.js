/** An agent's to-do list as people read it: [{text, status: 'pending'|'doing'|'done'}]. */
import { h, setText } from './dom.js';

const SAID = { pending: 'to do', doing: 'in progress', done: 'done' };

/** `1 of 3 done. Now: Find a hotel` */
export function howFar(items) {
  const done = items.filter(({ status }) => status === 'done').length;
  if (done === items.length) return `all ${done} done`;
  const now = items.find(({ status }) => status === 'doing');
  return `${done} of ${items.length} done${now ? `. Now: ${now.text}` : ''}`;
}

export function makeTodo() {
  return h('li', { dir: 'auto' }, h('span', {}), h('span', { class: 'hidden' }));
}

export function drawTodo(node, { text, status }) {
  const [what, state] = node.children;
  node.dataset.status = status;
  setText(what, text);
  setText(state, ` (${SAID[status] ?? status})`);
}

export function todoList(items) {
  const rows = items.map((item) => {
    const row = makeTodo();
    drawTodo(row, item);
    return row;
  });
  return h('ol', { class: 'todo-list', 'aria-label': 'To-do list' }, rows);
}
