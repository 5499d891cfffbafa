/** The button above a long session that reads further back. */
import { setText } from './dom.js';

/** Messages that a long session is opened with, and that are loaded at a time further back. */
export const OPENED = 100;
/** Pixels from the top. */
const NEAR = 300;
const SHOW = 'Show earlier';

export class Earlier {
  #reading = false;

  /** `scroll`: what scrolls; `read()` reads further back; `auto`: also when somebody scrolls up to the button. */
  constructor({ button, scroll, read, auto = false }) {
    Object.assign(this, { button, scroll, read });
    button.addEventListener('click', () => this.#more());
    let last = 0;
    scroll.addEventListener('scroll', () => {
      const up = scroll.scrollTop < last;
      last = scroll.scrollTop;
      if (auto && up && last < NEAR) this.#more();
    });
  }

  draw(view) {
    this.button.hidden = !view.earlier?.before;
    if (!this.#reading) setText(this.button, SHOW);
  }

  async #more() {
    if (this.#reading || this.button.hidden) return;
    this.#reading = true;
    setText(this.button, 'Loading…');
    const below = this.scroll.scrollHeight - this.scroll.scrollTop;
    try {
      await this.read();
      setText(this.button, SHOW);
      // What was in sight stays there: a browser does not see to it at the very top. The page draws before this.
      requestAnimationFrame(() => (this.scroll.scrollTop = this.scroll.scrollHeight - below));
    } catch (error) {
      setText(this.button, `${SHOW}. ${error.message}`);
    }
    this.#reading = false;
  }
}
