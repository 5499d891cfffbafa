/**
 * What a turn has outlived: a restart, a lost connection, a model that failed. It is told in the turn, and stays there.
 *
 * Rule 1: how long it took is what this page has seen: from the last that came of the turn until the next. The browser keeps it for a
 * reload; where another page saw it, the events tell that there were several attempts, and no more.
 * Rule 2: what nobody would have noticed is not told.
 */
import { stepOf, turnOf } from '../view/ids.js';
import { unwrapped } from '../view/sub_views.js';
import { duration, sentence } from '../shared/format.js';
import { runningTurn } from './stopping.js';

const KEPT = 'perdure.survived.';
const MOST = 50;
/** Milliseconds. */
const NOTICED = 1000;
const DIED = 'worker_died';

export class Survivals {
  #heard = 0;
  /** While the connection is lost: {turn, since}. */
  #lost = null;
  #attempts = new Map();

  constructor(storage) {
    this.storage = storage;
  }

  /** Another session is shown. */
  open(sessionId) {
    Object.assign(this, { sessionId });
    this.#heard = Date.now();
    this.#lost = null;
    this.#attempts = new Map();
    this.told = read(this.storage, KEPT + sessionId);
  }

  /** The stream's state, as `client.js` gives it. */
  connection({ name }, view) {
    const turn = runningTurn(view);
    if (name === 'waiting' && !this.#lost && turn) this.#lost = { turn: turn.id, since: this.#heard };
  }

  /** After each event of the stream. */
  hear(view, event) {
    const { event: inner, way } = unwrapped(event);
    const step = inner.step_id ?? (inner.call_id && stepOf(inner.call_id));
    const turn = way.length ? null : (inner.turn_id ?? (step && turnOf(step)));
    if (inner.type === 'facts' || inner.type === 'session.snapshot' || inner.type === 'step.retrying' || (inner.type === 'step.snapshot' && !inner.parts.length)) return;
    const now = Date.now();
    const { overcame } = view.turns.find(({ id }) => id === turn)?.messages.find((message) => message.step_id === inner.step_id) ?? {};
    const before = this.#attempts.get(inner.step_id);
    const again = inner.attempt > (before ?? 1) && ['step.delta', 'step.snapshot', 'step.finished'].includes(inner.type);
    if (this.#lost && turn === this.#lost.turn && isNews(inner)) {
      this.#tell(turn, { lost: now - this.#lost.since, again: again || inner.attempts > 1 });
      this.#lost = null;
    } else if (again && overcame && overcame.error.type !== DIED) this.#tell(turn, { why: overcame.error.message });
    else if (again && before !== undefined) this.#tell(turn, { again: true, took: now - this.#heard });
    if (inner.step_id && inner.attempt) this.#attempts.set(inner.step_id, inner.attempt);
    this.#heard = now;
  }

  /** What this page has seen of the turn, for `survivedWords`; null: nothing. */
  of(turnId) {
    return this.told?.[turnId] ?? null;
  }

  #tell(turn, seen) {
    if (!turn) return;
    this.told = Object.fromEntries([...Object.entries(this.told ?? {}), [turn, { ...this.told?.[turn], ...seen }]].slice(-MOST));
    try {
      this.storage.setItem(KEPT + this.sessionId, JSON.stringify(this.told));
    } catch {
      // It is told as long as the page stays.
    }
  }
}

/** Something that happened, rather than that was sent again. */
const isNews = ({ type }) => type.startsWith('step.') || type.startsWith('tool.') || type === 'turn.finished';

/** {text, title} for a turn, or null. `seen`: of the page; the rest is what the events tell. */
export function survivedWords(turn, seen) {
  const tries = turn.messages.filter((message) => message.attempt > 1 && (!message.live || message.parts.length));
  const attempts = Math.max(0, ...tries.map(({ attempt }) => attempt));
  const title = attempts ? `The answer is of attempt ${attempts}` : '';
  if (seen?.why && attempts) return { text: `${sentence(seen.why)} Waited out, and answered at attempt ${attempts}.`, title };
  if (seen?.lost >= NOTICED && (seen.again || attempts)) return { text: `Survived a restart, picked up after ${duration(seen.lost)}`, title };
  if (seen?.lost >= NOTICED) return { text: `The connection was lost for ${duration(seen.lost)}, and nothing with it`, title };
  if (seen?.took >= NOTICED) return { text: `Survived a restart, picked up after ${duration(seen.took)}`, title };
  return attempts ? { text: `Interrupted, and picked up again at attempt ${attempts}`, title } : null;
}

function read(storage, key) {
  try {
    return JSON.parse(storage.getItem(key) ?? 'null');
  } catch {
    return null;
  }
}
