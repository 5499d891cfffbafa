/** Steps of the trace without prompts, where messages stand in for events, which alone tell their times: the newest first, as far as needed. */

/** A number behind that of any step. */
const NEWEST = 2 ** 31;
/** Steps that are read at a time. */
const PAGE = 200;

export class TracedSteps {
  #before = NEWEST;
  #reading = false;
  /** By the ids of their answers. */
  found = new Map();

  /** `turns()`: those of the view. */
  constructor({ client, sessionId, turns, onChange }) {
    Object.assign(this, { client, sessionId, turns, onChange });
  }

  /** There may be newer ones than those that were read. */
  restart() {
    this.#before = NEWEST;
  }

  async read() {
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (this.#before !== null && this.turns().some((turn) => this.#lacksTimes(turn))) {
        const query = { before: this.#before, limit: PAGE, prompts: false };
        const { steps, previous_cursor: previous = null } = await this.client.trace(this.sessionId, query);
        for (const step of steps) if (step.message) this.found.set(step.message.id, step);
        this.#before = previous;
        this.onChange();
      }
    } catch {
      // The timeline shows what messages tell; the next of them asks again.
    }
    this.#reading = false;
  }

  #lacksTimes({ messages }) {
    return messages.some(({ role, step_id: step, id }) => role === 'assistant' && !step && !this.found.has(id));
  }
}
