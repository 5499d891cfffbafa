/** A note that the session itself put into the conversation: a timer that fired, or what still stands after a rewind. */
import { h, icon } from '../shared/dom.js';

/** The nodes of an `own` message; null: it holds nothing that people are told in this way. */
export function ownNote({ parts }) {
  const [part] = parts.filter(({ type }) => type === 'data');
  const { note, undone = [], stands = [] } = part?.value ?? {};
  if (typeof note !== 'string') return null;
  if (part.name === 'timer') return [h('p', { class: 'own-note' }, icon('clock'), h('span', {}, 'Woke up: ', note))];
  const lines = [
    ...undone.map(({ name, by }) => ['Taken back: ', h('code', {}, name), `, by ${by}`]),
    ...stands.map(({ name, why }) => ['Still stands: ', h('code', {}, name), why ? `. ${why}` : '']),
  ];
  const rows = lines.length ? h('ul', {}, lines.map((line) => h('li', {}, line))) : h('p', {}, note);
  return [h('div', { class: 'own-note' }, icon('back'), rows)];
}
