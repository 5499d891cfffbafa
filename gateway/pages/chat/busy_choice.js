/** What a message does to a session that works or waits: the choice below the text box, as the agent says until a person chooses. */
import { byId, h, setText } from '../shared/dom.js';

const CHOICES = { queue: 'Queue', steer: 'Steer', interrupt: 'Interrupt' };

const WORKING = {
  queue: 'Enter sends it when this turn ends.',
  steer: 'Enter adds it to this turn, before its next step.',
  interrupt: 'Enter stops this turn, and the message is next.',
};

const WAITING = {
  queue: 'It waits until the question above is answered.',
  steer: 'It withdraws the question above and joins this turn.',
  interrupt: 'It withdraws the question above and ends this turn.',
};

const REFUSED = 'This agent takes no message while it works, unless you choose what it does.';

export class BusyChoice {
  #picked = null;
  #policy = 'queue';

  constructor() {
    const pick = (event) => {
      this.#picked = event.target.value;
      this.#explain();
    };
    const radios = Object.entries(CHOICES).map(([value, label]) =>
      h('label', {}, h('input', { type: 'radio', name: 'busy', value, onchange: pick }), h('span', {}, label)),
    );
    byId('busy').append(...radios);
  }

  /** The policy for the next message; null where the agent takes none and the person has not chosen. */
  get value() {
    const value = this.#picked ?? this.#policy;
    return value in CHOICES ? value : null;
  }

  /** Another session: the choice is its agent's again. */
  reset() {
    this.#picked = null;
  }

  /** `policy`: the agent's; `status`: the session's. */
  draw({ policy = 'queue', status, shown }) {
    byId('busy').hidden = !shown;
    byId('busy-hint').hidden = !shown;
    byId('hint').hidden = shown;
    this.#policy = policy;
    this.status = status;
    for (const radio of byId('busy').querySelectorAll('input')) radio.checked = radio.value === this.value;
    this.#explain();
  }

  #explain() {
    const words = (this.status === 'waiting' ? WAITING : WORKING)[this.value] ?? REFUSED;
    setText(byId('busy-hint').firstElementChild, words);
  }
}
