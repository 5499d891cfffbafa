/** The list of the chat page's keys. */
import { h } from '../shared/dom.js';

const MAC = /Mac|iPhone|iPad/.test(navigator.platform);
const CONTROL = MAC ? 'Cmd' : 'Ctrl';

const KEYS = [
  [['Enter'], 'Sends the message'],
  [['Shift', 'Enter'], 'Begins a new line'],
  [[CONTROL, 'Enter'], 'Interrupts the turn with the message'],
  [['Esc'], 'Stops the turn'],
  [['↑'], 'In the empty box: brings back what was said last'],
  [['Alt', 'Q'], 'Goes to the question that waits'],
  [[CONTROL, 'Shift', 'O'], 'Begins a new chat'],
  [[CONTROL, 'K'], 'Searches the sessions'],
  [[CONTROL, 'Shift', 'F'], 'Searches the open session'],
  [['?'], 'Outside of a text box: shows this list'],
];

let dialog = null;

/** Shows the list over the page; the focus goes back to where it was. */
export function showShortcuts() {
  dialog ??= make();
  if (!dialog.open) dialog.showModal();
}

function make() {
  const rows = KEYS.flatMap(([keys, does]) => [h('dt', {}, keys.flatMap((key, at) => [at ? ' ' : '', h('kbd', {}, key)])), h('dd', {}, does)]);
  const close = h('button', { type: 'button', class: 'button', autofocus: true, onclick: () => dialog.close() }, 'Close');
  const made = h('dialog', { class: 'shortcuts', 'aria-labelledby': 'shortcuts-title' }, h('h2', { id: 'shortcuts-title' }, 'Keys'), h('dl', {}, rows), close);
  made.addEventListener('click', (event) => event.target === made && made.close());
  document.body.append(made);
  return made;
}
