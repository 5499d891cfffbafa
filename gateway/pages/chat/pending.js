/** A message of this page that the session has not shown yet: on its way, or not taken. */
import { h } from '../shared/dom.js';
import { said } from './said.js';

const STATES = {
  sending: 'Sending',
  accepted: 'Sent',
  retrying: 'Not reached yet, trying again',
  kept: 'Kept until a worker is running',
};

/** `entry`: {messageId, text, files, state, error, note}, `note`: why it is sent again; `actions`: {retry(messageId), discard(messageId)}. */
export function drawPending(node, entry, { retry, discard }) {
  // Buttons stay the same nodes, or a press on one that is drawn anew meanwhile would be lost.
  const drawn = JSON.stringify(entry);
  if (node.drawnEntry === drawn) return;
  node.drawnEntry = drawn;
  const failed = entry.state === 'failed';
  const label = h('span', {}, failed ? `Not sent. ${entry.error}` : (entry.state === 'retrying' && entry.note) || STATES[entry.state]);
  const button = (word, act) => failed && h('button', { type: 'button', class: 'text-button', onclick: () => act(entry.messageId) }, word);
  node.classList.toggle('failed', failed);
  const state = h('p', { class: 'pending-state' }, ...[label, button('Try again', retry), button('Discard', discard)].filter(Boolean));
  node.replaceChildren(h('div', { class: 'said' }, said(entry.text, entry.files ?? [])), state);
}
