/**
 * Keeps a viewer's picture of the sub-agents whole: their events come as `agent.event` frames, which may be lost.
 *
 * Rule 1: what is missing of one that runs is read from its own snapshot, what is missing of one that is over from its own
 * events; frames that come meanwhile wait.
 * Rule 2: whatever is read goes into the session's view as if it had come as frames.
 */
import { unwrapped, viewBelow, wrapped } from '../view/sub_views.js';

const AGAIN_MS = 3000;

export class SubSessions {
  /** By session id: the frames that wait until it is read. */
  #waiting = new Map();
  #streams = new Set();
  #closed = false;

  /** `take(event)` folds one event into the view, `view()` gives it. */
  constructor(client, take, view) {
    Object.assign(this, { client, take, view });
  }

  /** One `agent.event` of the stream. */
  hear(event) {
    const { way } = unwrapped(event);
    const waiting = this.#waiting.get(way.at(-1).session_id);
    if (waiting) return void waiting.push(event);
    this.take(event);
    // Only a missing fact: fragments that were missed come again, whole, with the end of their step.
    if (Number.isInteger(viewBelow(this.view(), way)?.gap)) this.#catchUp(way);
  }

  /** Reads all that the sub-agent at the end of `way` did; for one that is over. Throws PerdureError. */
  read(way) {
    const { session_id: id } = way.at(-1);
    return new Promise((resolve, reject) => {
      const onState = ({ name, error }) => {
        if (name !== 'ended' && name !== 'failed') return;
        this.#streams.delete(stream);
        return name === 'ended' ? resolve() : reject(error);
      };
      const onEvent = (event) => this.take(wrapped(way, event));
      const stream = this.client.stream(id, { after: viewBelow(this.view(), way)?.seq || null, onEvent, onState });
      this.#streams.add(stream);
    });
  }

  close() {
    this.#closed = true;
    for (const stream of this.#streams) stream.close();
  }

  async #catchUp(way) {
    const { session_id: id } = way.at(-1);
    this.#waiting.set(id, []);
    try {
      const snapshot = await this.client.session(id);
      if (!this.#closed) this.take(wrapped(way, { ...snapshot, type: 'session.snapshot' }));
    } catch {
      // Its next frame tries again, but not at once.
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (!this.#closed) for (const event of waiting) this.hear(event);
  }
}
