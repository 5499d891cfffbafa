/** What a user said: files above, text below, as people send them; and what can be done with it. */
import { noteOf } from '../view/notes.js';
import { h } from '../shared/dom.js';
import { messageFile } from '../shared/files.js';
import { textOf } from '../shared/format.js';
import { arrows } from './arrows.js';
import { copyButton, iconButton } from './buttons.js';
import { editForm } from './edit_form.js';
import { ownNote } from './own_note.js';

export function makeSaid() {
  return h('div', { class: 'said' }, h('div', { class: 'bubble' }), h('div', { class: 'said-actions' }));
}

/**
 * `branching`: {place, rests, actions}: where branches part at this message (`placeOf` in `branches.js`), or null, whether
 * the session rests, and {rewind(message, text), goTo(branch)}, of which `rewind` may throw.
 */
export function drawSaid(node, { message, branching }) {
  const note = noteOf(message);
  node.classList.toggle('own', note !== null);
  if (note) return node.firstChild.replaceChildren(...ownNote(note));
  const files = message.parts.filter((part) => part.type === 'file');
  const text = textOf(message);
  const [bubble, actions] = node.children;
  const shown = JSON.stringify([text, files]);
  if (node.shown !== shown && !node.editing) bubble.replaceChildren(...said(text, files));
  node.shown = shown;
  const { place, rests } = branching;
  const offered = JSON.stringify([rests, place]);
  if (node.offered === offered || node.editing) return;
  node.offered = offered;
  const buttons = [text && copyButton('Copy this message', () => text)];
  if (rests) buttons.push(iconButton('Edit this message', 'edit', () => edit(node, message, branching)));
  if (place) buttons.push(arrows(place, branching));
  actions.replaceChildren(...buttons.filter(Boolean));
}

/** The nodes of what was said. */
export function said(text, files) {
  const list = files.length > 0 && h('ul', { class: 'files', 'aria-label': 'Files' }, files.map((file) => h('li', {}, messageFile(file))));
  return [list, (text || !files.length) && h('div', { class: 'user', dir: 'auto' }, text)].filter(Boolean);
}

function edit(node, message, branching) {
  const [bubble, actions] = node.children;
  const close = (saved) => {
    node.editing = false;
    node.classList.remove('editing');
    Object.assign(node, { shown: null, offered: null });
    drawSaid(node, { message, branching });
    if (!saved) actions.querySelector('button')?.focus();
  };
  const save = (text) => branching.actions.rewind(message, text);
  const note = h('p', { class: 'faint small' }, 'What was said below stays on a branch of its own.');
  const form = editForm({ label: 'New text of this message', text: textOf(message), yes: 'Send', note, save, close });
  node.editing = true;
  node.classList.add('editing');
  actions.replaceChildren();
  bubble.replaceChildren(form);
  form.begin();
}
