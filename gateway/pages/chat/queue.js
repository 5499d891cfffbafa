/**
 * The messages that wait, above the text box: each with its place, and can be edited, withdrawn, or sent at once.
 *
 * Rule: the order is the session's; what this page has sent and the session has not told of yet stands at the end.
 */
import { h, icon, keyed, setText } from '../shared/dom.js';
import { editForm } from './edit_form.js';

const BECOMES = { steer: 'joins this turn before its next step', interrupt: 'is next, once this turn has stopped' };
const SENDING = { sending: 'Sending', accepted: 'Sent', retrying: 'Not reached yet, trying again' };

/**
 * `entries`: [{messageId, text, files, state}], state 'queued' or one of the outbox's. `first`: what is waited for before them, in
 * words, and `show()`, which brings it into sight; null: the running turn.
 * `actions`: {editQueued(id, text), withdraw(id), sendNow(id, entry)}, which resolve once it is done and throw what they throw.
 */
export function drawQueue(container, entries, first, actions) {
  container.hidden = entries.length === 0;
  if (!container.firstChild) container.append(...frame());
  const [head, list] = container.children;
  const [, words, show] = head.children;
  setText(words, headline(entries, first));
  show.hidden = !first;
  show.onclick = first?.show ?? null;
  const items = entries.map((entry, index) => ({ entry, place: index + 1, actions }));
  keyed(list, items, { key: ({ entry }) => entry.messageId, make: makeRow, update: drawRow });
}

function headline(entries, first) {
  const many = entries.length === 1 ? 'One message waits' : `${entries.length} messages wait`;
  if (first) return `${many} for ${first.words} first`;
  return entries.every(({ busy }) => busy === 'steer') ? 'On the way into this turn' : `${many} for this turn to end`;
}

function frame() {
  const show = h('button', { type: 'button', class: 'text-button', hidden: true }, 'Show it');
  return [h('p', { class: 'queue-head' }, icon('clock'), h('span', {}), show), h('ol', { class: 'queue-rows' })];
}

function makeRow() {
  return h('li', {}, h('span', { class: 'place' }), h('div', { class: 'queued' }), h('div', { class: 'queue-actions' }));
}

function drawRow(node, { entry, place, actions }) {
  const [number, text, buttons] = node.children;
  setText(number, String(place));
  // A press on a button that is drawn anew meanwhile would be lost, and so would what is typed.
  const drawn = JSON.stringify([entry.text, entry.files, entry.state, entry.busy]);
  if (node.drawn === drawn || node.editing) return;
  node.drawn = drawn;
  const files = entry.files?.length ? h('small', {}, `${entry.files.length} ${entry.files.length === 1 ? 'file' : 'files'}`) : null;
  const becomes = BECOMES[entry.busy] && h('small', {}, BECOMES[entry.busy]);
  text.replaceChildren(...[entry.text && h('p', {}, entry.text), files, becomes].filter(Boolean));
  const state = SENDING[entry.state];
  if (state) return buttons.replaceChildren(h('span', { class: 'faint' }, state));
  buttons.replaceChildren(...rowButtons(node, entry, actions));
}

function rowButtons(node, entry, actions) {
  const { messageId: id } = entry;
  const busy = (act) => async (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    await act().catch(() => {});
    button.disabled = false;
  };
  const named = (label, name, act) =>
    h('button', { type: 'button', class: 'icon-button', 'aria-label': label, title: label, onclick: act }, icon(name));
  return [
    entry.text && named('Edit this message', 'edit', () => edit(node, entry, actions)),
    !entry.files?.length && entry.busy !== 'interrupt' && named('Send it now, and interrupt this turn', 'send', busy(() => actions.sendNow(id, entry))),
    named('Withdraw this message', 'cross', busy(() => actions.withdraw(id))),
  ].filter(Boolean);
}

function edit(node, entry, actions) {
  const [, text, buttons] = node.children;
  const close = () => {
    node.editing = false;
    node.drawn = null;
    drawRow(node, { entry, place: node.firstChild.textContent, actions });
    buttons.querySelector('button')?.focus();
  };
  const save = (said) => actions.editQueued(entry.messageId, said);
  const form = editForm({ label: 'Edit the message that waits', text: entry.text, yes: 'Save', save, close });
  node.editing = true;
  buttons.replaceChildren();
  text.replaceChildren(form);
  form.begin();
}
