/** The question before a rewind: which calls it takes back, and which it cannot. */
import { table } from './form_fields.js';
import { h } from './dom.js';
import { whose } from './whose.js';

/** As `approval` and `input` in `questions.js`. */
export function rewind({ args: { undo = [], stands = [], more = 0 }, roles }) {
  const taken = undo.map((call) => row(call, `by ${call.by}`));
  const left = stands.map((call) => row(call, call.why));
  const rest = more ? h('p', { class: 'faint' }, `and ${more} more`) : null;
  const yes = h('button', { type: 'submit', class: 'button primary' }, undo.length ? 'Take back and go on' : 'Go on');
  const no = h('button', { type: 'button', class: 'button' }, 'Leave all as it is');
  return {
    title: [undo.length ? 'Going back takes back what was done' : 'Some of what was done cannot be taken back'],
    nodes: [
      whose(roles),
      list('Will be taken back', taken),
      list('Cannot be taken back', left),
      rest,
      h('div', { class: 'actions' }, yes, no),
    ].filter(Boolean),
    no,
    yes: () => ({ approved: true }),
    declined: () => ({ approved: false }),
  };
}

function list(title, rows) {
  return rows.length ? h('div', { class: 'taken' }, h('h5', { 'aria-level': 3 }, title), h('ul', {}, rows)) : null;
}

function row({ name, args }, why) {
  return h('li', {}, h('code', {}, name), ' ', h('span', { class: 'faint' }, why), Object.keys(args ?? {}).length ? table(args) : null);
}
