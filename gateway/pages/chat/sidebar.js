/**
 * The list of sessions on the left of the chat page.
 *
 * Rule: what this page has seen of a session counts until the server lists something newer, so that nothing vanishes or goes back.
 */
import { h, keyed } from '../shared/dom.js';
import { groups, matches } from './sidebar_groups.js';
import { makeRow, updateRow } from './sidebar_row.js';

/** Fewer than this, where there are more, are not worth a click: pages may hold little but sub-agents. */
const FEW = 12;
/** Pages that are read for whoever searches, and of what was active lately. */
const SEARCHED = 20;
const RECENT = 4;
const REST_MS = 10_000;
const WORK_MS = 3_000;
/** In between, only what has changed is asked for. */
const WHOLE_MS = 60_000;
/** How long Temporal may take to list what has changed. */
const LAG_MS = 10_000;
const RECENT_DAYS = 7;

export class Sidebar {
  #recent = [];
  #waiting = [];
  #wholeAt = -Infinity;
  #older = [];
  /** Of the page of all sessions that comes next; undefined: none was read; null: there is none. */
  #cursor = undefined;
  #timer = null;
  /** Entries as this page has seen them, {entry, until}, by session id. */
  #seen = new Map();
  /** What was done to sessions here, {changes, until}, by session id. */
  #changed = new Map();
  #words = '';
  #loading = null;
  #drawn = new Map();

  /**
   * `current()` → a list entry of the open session as the page knows it, newer than the list, or null. `menu(entry, button)` shows what
   * can be done with a session, where `may()`. `onSearch(state)`: 'searching', 'none' or '' for what the search has found. `onDraw()`: after the
   * list was drawn, so that titles may be others.
   */
  constructor({ client, list, more, current, menu, may, onSearch, onDraw }) {
    Object.assign(this, { client, list, more, current, menu, may, onSearch, onDraw });
    more.addEventListener('click', () => this.#loadMore());
  }

  /** Asks again now, and then now and again while the page is seen. `whole`: for all of it, not only for what has changed. */
  async refresh({ whole = performance.now() - this.#wholeAt > WHOLE_MS } = {}) {
    clearTimeout(this.#timer);
    const works = [...this.#known().values()].some(({ status }) => status === 'working');
    this.#timer = setTimeout(() => this.refresh(), works ? WORK_MS : REST_MS);
    if (document.hidden) return;
    try {
      await (whole ? this.#readAll() : this.#readNews());
      this.#forget();
      this.draw();
      for (let pages = 0; pages < 4 && this.#cursor !== null && this.#count() < FEW; pages++) await this.#loadMore();
    } catch {
      // The connection state of the page says what is wrong; the list waits for the next time.
    }
  }

  async #readAll() {
    const [recent, { sessions: waiting }] = await Promise.all([
      this.#read({ active_after: daysAgo(RECENT_DAYS) }, RECENT),
      this.client.listSessions({ status: 'waiting' }),
    ]);
    [this.#recent, this.#waiting, this.#wholeAt] = [recent, waiting, performance.now()];
  }

  async #readNews() {
    const last = this.#recent.map((entry) => entry.active_at).sort().at(-1);
    if (!last) return this.#readAll();
    // By the clock of the server, and so far back that what was listed late is among it.
    const news = await this.#read({ active_after: new Date(Date.parse(last) - LAG_MS).toISOString() }, 1);
    const ids = new Set(news.map((entry) => entry.session_id));
    this.#recent = [...this.#recent.filter((entry) => !ids.has(entry.session_id)), ...news];
  }

  async #read(query, pages) {
    const found = [];
    for (let cursor; pages > 0 && cursor !== null; pages--) {
      const page = await this.client.listSessions({ ...query, cursor });
      found.push(...page.sessions);
      cursor = page.next_cursor;
    }
    return found;
  }

  /** A session is listed a second or so after it changed. */
  refreshSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), 1500);
  }

  /** Takes in what somebody has just done to a session, before the server lists it. */
  change(sessionId, changes) {
    const before = this.#changed.get(sessionId)?.changes;
    this.#changed.set(sessionId, { changes: { ...before, ...changes }, until: Date.now() + LAG_MS });
    this.draw();
    this.refreshSoon();
  }

  /** What a session is called, as far as is known; '' where nothing is. */
  titleOf(sessionId) {
    const { named, title } = this.#drawn.get(sessionId) ?? {};
    return named || title || '';
  }

  /** Shows only what fits these words, and reads on for it; '' shows all. */
  async search(words) {
    this.#words = words.trim();
    this.draw();
    for (let pages = 0; pages < SEARCHED && this.#words && this.#cursor !== null; pages++) {
      this.onSearch('searching');
      await this.#loadMore().catch(() => (pages = SEARCHED));
    }
    this.onSearch(this.#words && !this.#count() ? 'none' : '');
  }

  draw() {
    const known = (this.#drawn = this.#known());
    this.list.classList.toggle('changeable', this.may());
    const open = this.current()?.session_id;
    const shown = this.#words ? new Map([...known].filter(([, entry]) => matches(entry, this.#words))) : known;
    const focused = this.list.contains(document.activeElement) && document.activeElement.closest('li')?.dataset.session;
    keyed(this.list, groups(shown, open), { key: ({ label }) => label, make: makeGroup, update: (node, group) => this.#drawGroup(node, group) });
    for (const row of this.list.querySelectorAll('li')) row.firstChild.toggleAttribute('aria-current', row.dataset.session === open);
    // A row that has moved to another group is a new one.
    if (focused && !this.list.contains(document.activeElement)) this.list.querySelector(`li[data-session="${CSS.escape(focused)}"] a`)?.focus();
    this.more.hidden = this.#cursor === null;
    this.onDraw();
  }

  #drawGroup(node, { entries }) {
    keyed(node.lastChild, entries, { key: (entry) => entry.session_id, make: (entry) => makeRow(entry, this.menu), update: updateRow });
  }

  /** All that is known, by session id. */
  #known() {
    const byId = this.#told();
    for (const [id, { changes, until }] of this.#changed) {
      if (until < Date.now()) this.#changed.delete(id);
      else if (byId.has(id)) byId.set(id, { ...byId.get(id), ...changes });
    }
    return byId;
  }

  /** What the server and the open session tell. */
  #told() {
    const byId = new Map([...this.#older, ...this.#waiting, ...this.#recent].map((entry) => [entry.session_id, entry]));
    const now = Date.now();
    for (const [id, { entry, until }] of this.#seen) {
      const listed = byId.get(id);
      if (!listed || (until > now && !(listed.active_at > entry.active_at))) byId.set(id, joined(listed, entry));
    }
    const current = this.current();
    if (!current) return byId;
    const listed = byId.get(current.session_id);
    if (!listed && !current.created_at) return byId;
    const entry = joined(listed, current);
    byId.set(current.session_id, entry);
    if (current.created_at) this.#seen.set(current.session_id, { entry, until: now + LAG_MS });
    return byId;
  }

  /** What the server lists by now, or has not listed for long, is no longer this page's to tell. */
  #forget() {
    const [now, listed] = [Date.now(), new Set([...this.#recent, ...this.#waiting, ...this.#older].map((entry) => entry.session_id))];
    for (const [id, { until }] of this.#seen) if (until < now && (listed.has(id) || until + 6 * LAG_MS < now)) this.#seen.delete(id);
  }

  #count() {
    return this.list.querySelectorAll('li').length;
  }

  /** One page more; asked for twice at once, it is read once. */
  #loadMore() {
    this.#loading ??= this.client
      .listSessions({ cursor: this.#cursor })
      .then(({ sessions, next_cursor: cursor }) => {
        this.#older.push(...sessions);
        this.#cursor = cursor;
        this.draw();
      })
      .finally(() => (this.#loading = null));
    return this.#loading;
  }
}

/** What is listed, with what this page knows better. */
function joined(listed, seen) {
  const named = seen.named || listed?.named;
  const active = [listed?.active_at, seen.active_at].filter(Boolean).sort().at(-1);
  const told = Object.fromEntries(Object.entries(seen).filter(([, value]) => value !== undefined && value !== null));
  return { ...listed, ...told, named, title: listed?.title || seen.title, active_at: active, parent: listed?.parent ?? seen.parent };
}

function makeGroup({ label }) {
  const id = `group-${label.replace(/\W+/g, '-')}`;
  return h('section', { class: 'group', 'aria-labelledby': id }, h('h2', { id }, label), h('ol', {}));
}

/** The beginning of a day, so that the same is asked for all day long. */
function daysAgo(days) {
  const today = new Date();
  return new Date(today.getFullYear(), today.getMonth(), today.getDate() - days).toISOString();
}
