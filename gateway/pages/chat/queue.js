/**
 * The messages that wait, above the text box: each with its place, and can be edited, withdrawn, or sent at once.
 *
 * Rule 1: the order is the session's; what this page has sent and the session has not told of yet stands at the end.
 * Rule 2: on a small screen several of them are one line that unfolds, for what they wait for has to be in sight.
 */
import { h, icon, keyed, setText } from '../shared/dom.js';
import { editForm } from './edit_form.js';

const SMALL = matchMedia('(max-width: 560px), (max-height: 560px)');
const BECOMES = { steer: 'joins this turn before its next step', interrupt: 'is next, once this turn has stopped' };
const SENDING = { sending: 'Sending', accepted: 'Sent', retrying: 'Not reached yet, trying again', kept: 'Kept until a worker is running' };

/**
 * `entries`: [{messageId, text, files, state}], state 'queued' or one of the outbox's. `first`: what is waited for before them, in
 * words, and `show()`, which brings it into sight; null: the running turn.
 * `actions`: {editQueued(id, text, files), withdraw(id), sendNow(id, entry)}, which resolve once it is done and throw what they throw.
 */
export function drawQueue(container, entries, first, actions) {
  container.hidden = entries.length === 0;
  if (!container.firstChild) container.append(...frame(container));
  const [head, list] = container.children;
  const [, words, show, fold] = head.children;
  setText(words, headline(entries, first));
  show.hidden = !first;
  show.onclick = () => {
    if (SMALL.matches) delete container.dataset.rows;
    drawFold(container);
    first.show();
  };
  const items = entries.map((entry, index) => ({ entry, place: index + 1, actions }));
  keyed(list, items, { key: ({ entry }) => entry.messageId, make: makeRow, update: drawRow });
  if (!entries.length) delete container.dataset.rows;
  fold.hidden = entries.length < 2;
  drawFold(container);
}

/** Folded or not as a person chose, or else as the screen has room; never while a message is edited. */
function drawFold(container) {
  const [head, list] = container.children;
  const fold = head.lastChild;
  const chosen = container.dataset.rows ?? (SMALL.matches ? 'folded' : 'shown');
  const shown = fold.hidden || chosen === 'shown' || list.querySelector('form') !== null;
  list.hidden = !shown;
  fold.setAttribute('aria-expanded', String(shown));
  fold.setAttribute('aria-label', shown ? 'Hide the messages that wait' : 'Show the messages that wait');
}

function headline(entries, first) {
  const many = entries.length === 1 ? 'One message waits' : `${entries.length} messages wait`;
  if (first) return `${many} for ${first.words} first`;
  return entries.every(({ busy }) => busy === 'steer') ? 'On the way into this turn' : `${many} for this turn to end`;
}

function frame(container) {
  const show = h('button', { type: 'button', class: 'text-button', hidden: true }, 'Show it');
  const fold = h('button', { type: 'button', class: 'icon-button queue-fold', 'aria-controls': 'queue-rows' }, icon('chevron'));
  fold.onclick = () => {
    container.dataset.rows = fold.getAttribute('aria-expanded') === 'true' ? 'folded' : 'shown';
    drawFold(container);
  };
  SMALL.addEventListener('change', () => drawFold(container));
  const head = h('p', { class: 'queue-head' }, icon('clock'), h('span', {}), show, fold);
  return [head, h('ol', { id: 'queue-rows', class: 'queue-rows' })];
}

function makeRow() {
  return h('li', {}, h('span', { class: 'place' }), h('div', { class: 'queued' }), h('div', { class: 'queue-actions' }));
}

function drawRow(node, { entry, place, actions }) {
  const [number, text, buttons] = node.children;
  setText(number, String(place));
  // A press on a button that is drawn anew meanwhile would be lost, and so would what is typed.
  const drawn = JSON.stringify([entry.text, entry.files, entry.state, entry.note, entry.busy]);
  if (node.drawn === drawn || node.editing) return;
  node.drawn = drawn;
  const files = entry.files?.length ? h('small', {}, `${entry.files.length} ${entry.files.length === 1 ? 'file' : 'files'}`) : null;
  const becomes = BECOMES[entry.busy] && h('small', {}, BECOMES[entry.busy]);
  text.replaceChildren(...[entry.text && h('p', { dir: 'auto' }, entry.text), files, becomes].filter(Boolean));
  const state = (entry.state === 'retrying' && entry.note) || SENDING[entry.state];
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
    entry.busy !== 'interrupt' && named('Send it now, and interrupt this turn', 'send', busy(() => actions.sendNow(id, entry))),
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
  const save = (said) => actions.editQueued(entry.messageId, said, entry.files ?? []);
  const form = editForm({ label: 'Edit the message that waits', text: entry.text, yes: 'Save', save, close });
  node.editing = true;
  buttons.replaceChildren();
  text.replaceChildren(form);
  form.begin();
}
