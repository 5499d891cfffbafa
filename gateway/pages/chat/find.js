/**
 * Search in the open session: over all that people and the agent have said in it, also where the page has not loaded that yet.
 *
 * Rule: the newest is shown first, and what lies further back is read only for whoever goes there.
 */
import { byId, icon, setText } from '../shared/dom.js';
import { textOf } from '../shared/format.js';
import { folded } from '../shared/words.js';
import { noteOf } from '../view/notes.js';

const PAGE = 200;
const PAUSE_MS = 200;
const MARK = 'found';

export class Find {
  #bar = byId('find');
  #box = byId('find-words');
  #timer = null;
  /** Of the newest search; an older one that is still reading stops. */
  #run = 0;
  /** Turns' ids, the newest first, a message each. */
  #hits = [];
  #at = -1;

  /** `page`: the state of `chat.js`; `transcript`: its node; `leave()` gives the focus to another place. */
  constructor({ client, page, transcript, leave }) {
    Object.assign(this, { client, page, transcript, leave });
    byId('open-find').append(icon('search'));
    for (const [id, name] of Object.entries({ 'find-older': 'chevron', 'find-newer': 'chevron', 'find-close': 'cross' })) byId(id).append(icon(name));
    byId('open-find').addEventListener('click', () => this.show());
    byId('find-close').addEventListener('click', () => this.hide());
    byId('find-older').addEventListener('click', () => this.#go(this.#at + 1));
    byId('find-newer').addEventListener('click', () => this.#go(this.#at - 1));
    this.#bar.addEventListener('submit', (event) => event.preventDefault());
    this.#bar.addEventListener('keydown', (event) => this.#press(event));
    this.#box.addEventListener('input', () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#search(), PAUSE_MS);
    });
  }

  show() {
    if (this.page.sessionId === null) return;
    this.#bar.hidden = false;
    this.#box.focus();
    this.#box.select();
  }

  /** Also where another session is shown. */
  hide() {
    if (this.#bar.hidden) return;
    const focused = this.#bar.contains(document.activeElement);
    this.#bar.hidden = true;
    this.#box.value = '';
    this.#search();
    if (focused) this.leave();
  }

  draw(shown) {
    byId('open-find').hidden = !shown;
  }

  async #search() {
    const run = ++this.#run;
    const words = folded(this.#box.value.trim());
    CSS.highlights?.delete(MARK);
    [this.#hits, this.#at] = [[], -1];
    if (!words) return this.#tell('');
    const { view, sessionId } = this.page;
    const has = (message) => folded(textOf(message)).includes(words) && noteOf(message) === null;
    const take = (found) => {
      this.#hits.push(...found);
      if (this.#at < 0 && this.#hits.length) this.#go(0);
      else this.#tell();
    };
    take(view.turns.flatMap((turn) => turn.messages.filter(has).map(() => turn.id)).reverse());
    for (let before = view.earlier?.before ?? 0; before > 0; ) {
      this.#tell('Searching…');
      const page = await this.client.messages(sessionId, { before, limit: PAGE }).catch(() => null);
      if (run !== this.#run) return;
      if (page === null) return this.#tell('Not all could be searched');
      before = page.before;
      // Of a turn that the view holds in part, the rest may be on the page.
      take(page.messages.filter(({ role }) => role !== 'tool').filter(has).map((message) => message.turn_id).reverse());
    }
    this.#tell(this.#hits.length ? undefined : 'Nothing found');
  }

  async #go(to) {
    if (!(to in this.#hits)) return;
    const run = this.#run;
    this.#at = to;
    this.#tell();
    const id = this.#hits[to];
    const known = () => this.page.view.turns.some((turn) => turn.id === id);
    // Where all is in sight, there is no end to go to.
    const { scrollHeight, clientHeight } = this.transcript.parentElement;
    this.page.follow = known() && scrollHeight <= clientHeight;
    try {
      while (!known() && this.page.view.earlier?.before > 0) await this.page.live.readEarlier();
    } catch (error) {
      return this.#tell(error.message);
    }
    // Once it is drawn.
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    if (run !== this.#run || to !== this.#at) return;
    const node = this.transcript.querySelector(`[data-turn="${CSS.escape(id)}"]`);
    if (node) this.transcript.inSight?.now(node);
    node?.scrollIntoView({ block: 'center' });
    this.#mark(node);
  }

  #mark(node) {
    const ranges = node ? rangesOf(node, this.#box.value.trim().toLowerCase()) : [];
    if (ranges.length) ranges[0].startContainer.parentElement.scrollIntoView({ block: 'center' });
    CSS.highlights?.set(MARK, new Highlight(...ranges));
  }

  #tell(words) {
    const count = this.#hits.length;
    setText(byId('find-state'), words ?? (count ? `${this.#at + 1} of ${count}` : ''));
    byId('find-older').disabled = this.#at + 1 >= count;
    byId('find-newer').disabled = this.#at < 1;
  }

  #press(event) {
    if (event.isComposing) return;
    if (event.key === 'Escape') (event.preventDefault(), this.hide());
    if (event.key === 'Enter' && event.target === this.#box) this.#go(this.#at + (event.shiftKey ? -1 : 1));
  }
}

/** Where `words` stand in the texts of a node. */
function rangesOf(node, words) {
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  const ranges = [];
  while (walker.nextNode()) {
    const text = walker.currentNode.data.toLowerCase();
    for (let at = text.indexOf(words); at >= 0; at = text.indexOf(words, at + words.length)) {
      const range = new Range();
      range.setStart(walker.currentNode, at);
      range.setEnd(walker.currentNode, Math.min(at + words.length, walker.currentNode.length));
      ranges.push(range);
    }
  }
  return ranges;
}
