/** A note that the session itself put into the conversation: a timer that fired, or what still stands after a rewind. */
import { h, icon } from '../shared/dom.js';

/** The nodes of a note, as `noteOf` in `notes.js` gives it. */
export function ownNote({ name, value: { note, undone = [], stands = [], stands_more: more = {} } }) {
  if (name === 'timer') return [h('p', { class: 'own-note' }, icon('clock'), h('span', {}, 'Woke up: ', note))];
  const lines = [
    ...undone.map((call) => ['Taken back: ', h('code', {}, call.name), `, by ${call.by}`]),
    ...stands.map((call) => ['Still stands: ', h('code', {}, call.name), call.why ? `. ${call.why}` : '']),
    ...Object.entries(more).map(([name, count]) => ['Still stand: ', `${count} more of `, h('code', {}, name)]),
  ];
  const rows = lines.length ? h('ul', {}, lines.map((line) => h('li', {}, line))) : h('p', {}, note);
  return [h('div', { class: 'own-note' }, icon('back'), rows)];
}
