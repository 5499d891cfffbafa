/**
 * Opens a session at its end, however long it is, and reads further back on request.
 *
 * Rule: turns are made of events wherever the events tell them alone. Where another branch went on in between, or where the
 * events are no longer kept, messages stand in for them.
 */
import { saidBy, toldBy } from '../view/earlier.js';
import { emptyView, reduce, withFacts } from '../view/view.js';

export class Opening {
  /** `last`: messages to begin with, and to read back at a time; null: the session is read from its first event. */
  constructor(client, sessionId, last) {
    Object.assign(this, { client, sessionId, last });
  }

  /** → {view, event} of the end of a longer session; null where it is to be read from the first event. */
  async end() {
    if (this.last === null) return null;
    // What goes wrong here shows when the events are asked for.
    const found = await this.client.session(this.sessionId, { messages: this.last }).catch(() => null);
    if (!found?.before) return null;
    const { before, since = null, ...snapshot } = found;
    const earlier = { before, since };
    const event = { ...snapshot, type: 'session.snapshot' };
    if (since === null) return { view: { ...reduce(emptyView(), event), earlier }, event };
    return { view: { ...withFacts({ ...emptyView(), seq: since }, snapshot), earlier }, event: { type: 'facts' } };
  }

  /** Reads the turns that come before those of `view` → {turns, feedback, earlier} for `withEarlier`. Throws PerdureError. */
  async before(view) {
    let { before, since } = view.earlier;
    const known = new Set(view.turns.map((turn) => turn.id));
    let turns = [];
    let feedback = {};
    // A page may hold nothing but the beginning of a turn that is there in whole.
    while (before > 0 && !turns.some((turn) => !known.has(turn.id))) {
      const page = await this.client.messages(this.sessionId, { before, limit: this.last });
      // Once messages stand in for events, the page may have cut a turn in two, of which events would tell the whole.
      const told = since === null ? null : (page.since ?? null);
      const found = told === null ? { turns: saidBy(page.messages), feedback } : await this.#told(told, since);
      turns = [...found.turns, ...turns];
      feedback = { ...found.feedback, ...feedback };
      before = page.before;
      since = told;
    }
    return { turns, feedback, earlier: { before, since } };
  }

  /** {turns, feedback} that the events greater than `after` tell, up to `until`. */
  async #told(after, until) {
    const events = [];
    if (after >= until) return { turns: [], feedback: {} };
    await new Promise((resolve, reject) => {
      const onEvent = (event) => {
        if (!Number.isInteger(event.seq)) return;
        if (event.seq <= until) events.push(event);
        if (event.seq >= until) (stream.close(), resolve());
      };
      const onState = ({ name, error }) => (name === 'failed' ? reject(error) : name === 'ended' && resolve());
      const stream = this.client.stream(this.sessionId, { after, onEvent, onState });
    });
    return toldBy(events, after);
  }
}
