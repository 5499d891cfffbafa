/**
 * Messages from before those that are shown: loaded as the reader comes near the top, or by the button there.
 *
 * Rule: what is being read stays where it is.
 */
import { notice } from './notice.js';

const PAGE = 100;
/** Pixels above what is seen. */
const NEAR = 800;

export class Older {
  #loading = false;
  #failed = false;
  #before = 0;
  #below = 0;

  /** `load(limit)` loads up to so many messages. */
  constructor({ scroll, button, load }) {
    Object.assign(this, { scroll, button, load });
    scroll.addEventListener('scroll', () => scroll.scrollTop < NEAR && !this.#failed && this.#more());
    button.addEventListener('click', () => this.#more());
  }

  /** Before the conversation is drawn. */
  draw({ before }) {
    this.#below = this.scroll.scrollHeight - this.scroll.scrollTop;
    this.before = before;
    this.button.hidden = before === 0;
    this.button.textContent = this.#loading ? 'Loading earlier messages' : 'Show earlier messages';
  }

  /** After it was drawn. */
  keepPlace({ before }) {
    if (before < this.#before) this.scroll.scrollTop = this.scroll.scrollHeight - this.#below;
    this.#before = before;
  }

  async #more() {
    if (this.#loading || !this.before) return;
    this.#loading = true;
    try {
      await this.load(PAGE);
      this.#failed = false;
    } catch (error) {
      this.#failed = true;
      notice(`Earlier messages could not be loaded. ${error.message}`);
    }
    this.#loading = false;
  }
}
