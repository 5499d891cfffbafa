/** One session in the list: its title, what it does, and what can be done with it. */
import { chatAddress } from '../shared/addresses.js';
import { h, icon, setText } from '../shared/dom.js';
import { STATUS, when } from '../shared/format.js';

const FAILED = 'Failed';
/** Marks that differ in shape, too. */
const MARKS = { waiting: 'alert', failed: 'cross' };

/** `menu(entry, button)` shows what can be done with a session. */
export function makeRow(entry, menu) {
  const link = h('a', { href: chatAddress(entry.session_id) });
  link.append(h('span', { class: 'mark-of' }), h('span', { class: 'title', dir: 'auto' }), h('span', { class: 'meta' }), h('span', { class: 'hidden' }));
  const row = h('li', { data: { session: entry.session_id } });
  const button = h('button', { type: 'button', class: 'icon-button small more', onclick: () => menu(row.entry, button) }, icon('more'));
  row.append(link, button);
  return row;
}

export function updateRow(row, entry) {
  const [link, button] = row.children;
  const [mark, title, meta, status] = link.children;
  const state = stateOf(entry);
  if (mark.dataset.status !== state) {
    mark.dataset.status = state;
    mark.replaceChildren(MARKS[state] ? icon(MARKS[state]) : h('span', { class: 'dot', data: { status: state } }));
  }
  row.entry = entry;
  row.toggleAttribute('data-below', Boolean(entry.parent));
  const words = state === 'failed' ? FAILED : (STATUS[state] ?? state);
  const name = nameOf(entry);
  link.title = [name, words].join(' · ');
  link.dataset.status = state;
  setText(title, name);
  const told = ['waiting', 'working', 'failed'].includes(state) && words;
  setText(meta, [told, entry.forked_from && 'Fork', entry.agent, when(entry.active_at ?? entry.created_at)].filter(Boolean).join(' · '));
  setText(status, told ? '' : words);
  button.hidden = state === 'closed' || Boolean(entry.parent);
  button.setAttribute('aria-label', `Rename or close ${name}`);
}

export const nameOf = ({ named, title }) => named || title || 'New chat';

const stateOf = ({ status, last_turn: last }) => (status === 'idle' && last === 'failed' ? 'failed' : status);
