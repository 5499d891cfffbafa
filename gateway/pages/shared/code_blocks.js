/** Code of answers: its language, and a button that copies it. */
import { h } from './dom.js';

/** `pre` below such a line. */
export function withBar(pre) {
  const copy = h('button', { type: 'button', class: 'quiet-button', onclick: () => copied(copy, pre) }, 'Copy');
  return h('div', { class: 'code-block' }, h('div', { class: 'code-bar' }, h('span', {}, pre.dataset.language ?? ''), copy), pre);
}

async function copied(button, pre) {
  const done = await write(pre.textContent.replace(/\n$/, ''), pre).then(
    () => 'Copied',
    () => 'Press Ctrl+C',
  );
  button.textContent = done;
  setTimeout(() => (button.textContent = 'Copy'), 2000);
}

/** Where the clipboard may not be written, on pages in an insecure context, the code is selected, to be copied by hand. */
async function write(text, pre) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  getSelection().selectAllChildren(pre);
  throw new Error('no clipboard');
}
