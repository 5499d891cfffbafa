/** The list of the chat page's keys. */
import { openDialog } from '../shared/dialog.js';
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

/** Shows the list over the page; the focus goes back to where it was. */
export function showShortcuts() {
  if (document.querySelector('dialog[open]')) return;
  const rows = KEYS.flatMap(([keys, does]) => [h('dt', {}, keys.flatMap((key, at) => [at ? ' ' : '', h('kbd', {}, key)])), h('dd', {}, does)]);
  openDialog({ title: 'Keys', body: h('dl', { class: 'shortcuts' }, rows) });
}
