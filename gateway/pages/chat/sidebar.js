/**
 * The list of sessions on the left of the chat page.
 *
 * Rule: a sub-agent's session is part of the one above it, which waits when it waits; only the open one is listed, below that.
 */
import { chatAddress } from '../shared/addresses.js';
import { h, keyed, setText } from '../shared/dom.js';
import { STATUS, cost, when } from '../shared/format.js';

/** Fewer than this, where there are more, are not worth a click: pages may hold little but sub-agents. */
const FEW = 12;

export class Sidebar {
  #listed = [];
  #older = [];
  #cursor = null;
  #timer = null;

  /** `current()` → a list entry of the open session as the page knows it, newer than the list, or null. */
  constructor({ client, list, more, current }) {
    Object.assign(this, { client, list, more, current });
    more.addEventListener('click', () => this.#loadMore());
  }

  /** Asks again now, and then every `interval` ms while the page is seen. */
  async refresh(interval = 15_000) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), interval);
    if (document.hidden) return;
    try {
      const { sessions, next_cursor: cursor } = await this.client.listSessions();
      this.#listed = sessions;
      if (!this.#older.length) this.#cursor = cursor;
      this.draw();
      for (let pages = 0; pages < 4 && this.#cursor && this.list.children.length < FEW; pages++) await this.#loadMore();
    } catch {
      // The connection state of the page says what is wrong; the list waits for the next time.
    }
  }

  /** A session is listed a second or so after it changed. */
  refreshSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), 1500);
  }

  draw() {
    const current = this.current();
    const byId = new Map([...this.#listed, ...this.#older].map((entry) => [entry.session_id, entry]));
    const listed = byId.get(current?.session_id);
    if (listed || current?.created_at) {
      const parent = listed?.parent ?? current.parent;
      const merged = { ...listed, ...current, title: listed?.title || current.title, parent };
      byId.delete(current.session_id);
      byId.set(current.session_id, merged);
    }
    const entries = nested(byId, current?.session_id);
    keyed(this.list, entries, { key: (entry) => entry.session_id, make, update });
    for (const node of this.list.children)
      node.firstChild.toggleAttribute('aria-current', node.dataset.session === current?.session_id);
    this.more.hidden = !this.#cursor;
  }

  async #loadMore() {
    const { sessions, next_cursor: cursor } = await this.client.listSessions({ cursor: this.#cursor });
    this.#older.push(...sessions);
    this.#cursor = cursor;
    this.draw();
  }
}

/** Entries in order of their making, the newest first, by the rule above. `byId`: all that is known. */
function nested(byId, current) {
  const top = (entry) => (byId.has(entry.parent) ? top(byId.get(entry.parent)) : entry);
  const waiting = new Set([...byId.values()].filter(({ status }) => status === 'waiting').map((entry) => top(entry).session_id));
  const open = byId.get(current);
  const above = open?.parent && top(open);
  return [...byId.values()]
    .filter((entry) => !entry.parent || entry === open)
    .filter((entry) => entry !== open || !above || above === open)
    .sort((a, b) => String(b.created_at).localeCompare(String(a.created_at)))
    .map((entry) => (waiting.has(entry.session_id) && entry.status === 'working' ? { ...entry, status: 'waiting' } : entry))
    .flatMap((entry) => (above && entry.session_id === above.session_id && above !== open ? [entry, open] : [entry]));
}

function make(entry) {
  const link = h('a', { href: chatAddress(entry.session_id) });
  link.append(
    h('span', { class: 'dot' }),
    h('span', { class: 'title' }),
    h('span', { class: 'meta' }),
    h('span', { class: 'hidden' }),
  );
  return h('li', { data: { session: entry.session_id } }, link);
}

function update(node, entry) {
  const [dot, title, meta, status] = node.firstChild.children;
  dot.dataset.status = entry.status;
  node.toggleAttribute('data-below', Boolean(entry.parent));
  node.firstChild.title = STATUS[entry.status] ?? entry.status;
  setText(title, entry.title || 'New chat');
  const waits = entry.status === 'waiting' && STATUS.waiting;
  setText(meta, [waits, entry.agent, cost(entry.cost_usd), when(entry.created_at)].filter(Boolean).join(' · '));
  node.firstChild.dataset.status = entry.status;
  setText(status, waits ? '' : (STATUS[entry.status] ?? entry.status));
}
