/**
 * The scores that this page gives to turns. What was pressed shows at once, and goes back where the server does not keep it.
 *
 * Rule: what the session tells counts, as soon as it tells what came after the press.
 */
import { notice } from './notice.js';

export class Ratings {
  /** By turn id, {score, after}: pressed here; `after`: the cursor that the server gave, null until it has answered. */
  #pressed = new Map();

  /** `page`: the state of `chat.js`. */
  constructor({ client, page, onChange }) {
    Object.assign(this, { client, page, onChange });
  }

  /** Another session is shown. */
  reset() {
    this.#pressed.clear();
  }

  /** The score of a turn of `view`; 0 where it has none. */
  of(view, turnId) {
    const pressed = this.#pressed.get(turnId);
    if (pressed && (pressed.after === null || view.seq <= pressed.after)) return pressed.score;
    return view.feedback[turnId]?.score ?? 0;
  }

  /** Gives a score, with a text if there is one. Resolves to whether it is kept; why not is told by itself. */
  async rate(turnId, score, text) {
    const pressed = { score, after: null };
    this.#pressed.set(turnId, pressed);
    this.onChange();
    const { sessionId } = this.page;
    try {
      const { seq } = await this.client.feedback(sessionId, turnId, { score, ...(text && { text }) });
      pressed.after = seq;
      return true;
    } catch (error) {
      if (this.#pressed.get(turnId) === pressed) this.#pressed.delete(turnId);
      notice(`Your feedback could not be kept. ${error.message}`);
      return false;
    } finally {
      this.onChange();
    }
  }
}
