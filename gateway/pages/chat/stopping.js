/** The button that stops the turn: shown while the session works or waits, and pressed once a turn. */
import { byId } from '../shared/dom.js';
import { notice } from './notice.js';

export const runningTurn = (view) => view.turns.findLast((turn) => turn.status === 'running');

/** The session works, or waits for a person in a turn; what a handler asks outside of turns leaves the chat free. */
export const works = (view) => {
  if (runningTurn(view) !== undefined || view.status === 'working') return true;
  return view.status === 'waiting' && !view.asked.some(({ state }) => state === 'open');
};

export class Stopping {
  #asked = false;
  #button = byId('stop');

  /** `page`: the state of `chat.js`; `leave()`: gives the focus, which a button that goes away would lose, to another place. */
  constructor({ client, page, onChange, leave }) {
    Object.assign(this, { client, page, onChange, leave });
    this.#button.addEventListener('click', () => this.stop());
  }

  /** Nothing is stopped any more. */
  reset() {
    this.#asked = false;
  }

  draw() {
    const focused = document.activeElement === this.#button;
    this.#button.hidden = !works(this.page.view);
    this.#button.disabled = this.#asked;
    if (focused && (this.#button.hidden || this.#asked)) this.leave();
  }

  async stop() {
    const { view, sessionId } = this.page;
    if (!works(view) || this.#asked) return;
    this.#asked = true;
    this.onChange();
    try {
      await this.client.stop(sessionId, runningTurn(view)?.id);
    } catch (error) {
      this.reset();
      notice(`The answer could not be stopped. ${error.message}`);
    }
  }
}
