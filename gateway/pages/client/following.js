/** A session's events one after the other, for programs that read them in a loop. */

/** The events of `client.stream` as they come. Ends with `session.closed`; throws PerdureError, and what `signal` was aborted with. */
export async function* eventsOf(client, sessionId, { after = null, signal, onState = () => {} } = {}) {
  const arrived = [];
  let over = false;
  let failure = null;
  let news = () => {};
  const fail = (error) => ((failure = { error }), news());
  const abort = () => fail(signal.reason);
  if (signal?.aborted) throw signal.reason;
  signal?.addEventListener('abort', abort, { once: true });
  const stream = client.stream(sessionId, {
    after,
    onEvent: (event) => (arrived.push(event), news()),
    onState: (state) => {
      if (state.name === 'failed') fail(state.error);
      if (state.name === 'ended') ((over = true), news());
      onState(state);
    },
  });
  try {
    for (;;) {
      if (failure) throw failure.error;
      if (arrived.length) yield arrived.shift();
      else if (over) return;
      else await new Promise((resolve) => (news = resolve));
    }
  } finally {
    signal?.removeEventListener('abort', abort);
    stream.close();
  }
}

/** From all that a session sends, in order, what belongs to one message: its own events, and those of its turn, to the turn's end. */
export class TurnFilter {
  over = false;
  #turn = null;
  #opening = null;

  constructor(messageId) {
    this.messageId = messageId;
  }

  /** What of `event` and of the one before it belongs to the message. */
  take(event) {
    if (event.type === 'session.snapshot') return this.#snapshot(event);
    if (event.type === 'session.closed') this.over = true;
    const own = (event.message_id ?? event.message?.id) === this.messageId;
    if (own && (event.type === 'message.queued' || event.type === 'message.rejected')) {
      this.over = event.type === 'message.rejected';
      return [event];
    }
    if (this.#turn !== null) {
      if (turnIdOf(event) !== this.#turn) return [];
      this.over = event.type === 'turn.finished';
      return [event];
    }
    // `turn.started` does not say for whom; the `message.added` right after it does.
    if (event.type === 'turn.started') this.#opening = event;
    if (!own || event.type !== 'message.added') return [];
    this.#turn = event.turn_id;
    return this.#opening?.turn_id === this.#turn ? [this.#opening, event] : [event];
  }

  /** Events are no longer kept; the snapshot stands for them. */
  #snapshot(event) {
    const turn = event.messages.find(({ id }) => id === this.messageId)?.turn_id ?? null;
    if (turn !== null && turn === event.turn_id) this.#turn = turn;
    else this.over = turn !== null;
    return [event];
  }
}

/** Live frames name their turn by a step or a call. */
const turnIdOf = (event) => event.turn_id ?? (event.step_id ?? event.call_id)?.split('.')[0] ?? null;
