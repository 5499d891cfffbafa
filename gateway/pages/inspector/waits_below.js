/** Reads finished sub-agents, whose waits for people are shown in the timeline of the session above. */
import { unknownBelow } from '../view/sub_views.js';

/** Sub-agents that are read; older ones are a click away. */
const MOST = 50;

export class WaitsBelow {
  #read = new Set();
  #reading = false;

  /** `view()`: the session's; `read(way)` reads a sub-agent into it. */
  constructor({ view, read }) {
    Object.assign(this, { view, read });
  }

  /** One after the other: browsers open few connections to a server, and each of these holds one. */
  async look() {
    if (this.#reading) return;
    this.#reading = true;
    const next = () => unknownBelow(this.view()).find((way) => !this.#read.has(way.at(-1).session_id));
    for (let way = next(); way && this.#read.size < MOST; way = next()) {
      this.#read.add(way.at(-1).session_id);
      // A session that no longer exists has nothing to show.
      await this.read(way).catch(() => {});
    }
    this.#reading = false;
  }
}
