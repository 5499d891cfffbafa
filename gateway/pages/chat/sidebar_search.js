/** The search above the list of sessions: shown when it is asked for, so that the page has one text box otherwise. */
import { byId, setText } from '../shared/dom.js';

const SAID = { searching: 'Searching older sessions…', none: 'Nothing found.', '': '' };
const PAUSE_MS = 120;

export class SidebarSearch {
  #timer = null;
  #box = byId('search');

  /** `search(words)`; `list`: of sessions; `leave()` gives the focus to another place once the search is over. */
  constructor({ search, list, leave }) {
    Object.assign(this, { search, list, leave });
    byId('open-search').addEventListener('click', () => (this.#box.hidden ? this.show() : this.hide()));
    this.#box.addEventListener('input', () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => search(this.#box.value), PAUSE_MS);
    });
    this.#box.addEventListener('keydown', (event) => this.#press(event));
  }

  show() {
    this.#box.hidden = false;
    byId('open-search').setAttribute('aria-expanded', 'true');
    this.#box.focus();
    this.#box.select();
  }

  hide() {
    if (this.#box.hidden) return;
    const focused = document.activeElement === this.#box;
    clearTimeout(this.#timer);
    this.#box.value = '';
    this.#box.hidden = true;
    byId('open-search').setAttribute('aria-expanded', 'false');
    this.search('');
    if (focused) this.leave();
  }

  /** `state`: as `Sidebar` tells it. */
  tell(state) {
    setText(byId('search-state'), SAID[state]);
  }

  #press(event) {
    if (event.isComposing) return;
    if (event.key === 'Escape') {
      event.preventDefault();
      this.hide();
    }
    if (event.key === 'Enter') this.list.querySelector('li a')?.click();
  }
}
