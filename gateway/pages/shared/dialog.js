/** Dialogs over a page. Escape closes them, and the focus goes back to where it was: the browser sees to both. */
import { h, icon } from './dom.js';

let count = 0;

/** Shows `body`, a node, below `title`. → the dialog, with `close()`; it is gone from the page once it is closed. */
export function openDialog({ title, body }) {
  const id = `dialog-${(count += 1)}`;
  const close = h('button', { type: 'button', class: 'icon-button', 'aria-label': 'Close', onclick: () => dialog.close() }, icon('cross'));
  const head = h('header', {}, h('h2', { id }, title), close);
  const dialog = h('dialog', { class: 'dialog', 'aria-labelledby': id }, head, body);
  dialog.addEventListener('close', () => dialog.remove());
  // A click on what is behind it reaches the dialog itself.
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
