/**
 * Keeps a viewer's picture of the sub-agents complete: their events arrive as `agent.event` frames, which may be lost.
 *
 * Rule 1: what is missing of a running sub-agent is read from its own snapshot, of a finished one from its own events; frames
 * that arrive meanwhile wait.
 * Rule 2: everything that is read goes into the session's view as if it had arrived as frames.
 */
import { unwrapped, viewBelow, wrapped } from '../view/sub_views.js';

const AGAIN_MS = 3000;

export class SubSessions {
  /** By session id: the frames that wait until the sub-agent is read. */
  #waiting = new Map();
  #streams = new Set();
  #closed = false;

  /** `take(event)` folds one event into the view, `view()` returns the view. */
  constructor(client, take, view) {
    Object.assign(this, { client, take, view });
  }

  /** Handles one `agent.event` of the stream. */
  hear(event) {
    const { way } = unwrapped(event);
    const waiting = this.#waiting.get(way.at(-1).session_id);
    if (waiting) return void waiting.push(event);
    this.take(event);
    // Only for a missing event: missed fragments arrive again, complete, at the end of their step.
    if (Number.isInteger(viewBelow(this.view(), way)?.gap)) this.#catchUp(way);
  }

  /** Reads all events of the finished sub-agent at the end of `way`. Throws PerdureError. */
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
      // Its next frame tries again, but not immediately.
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (!this.#closed) for (const event of waiting) this.hear(event);
  }
}
