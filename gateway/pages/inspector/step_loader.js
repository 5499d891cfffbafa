/** Steps with their prompts, which are large: one at a time, and each with the one before it, to compare it with. */

/** Finished steps that are kept, so that going back and forth asks for nothing twice. */
const KEPT = 6;

export class StepLoader {
  #kept = new Map();
  #now = 0;
  /** Of the step that is shown: as `drawDetail` takes them. */
  step = null;
  error = null;
  before = { state: 'loading' };

  /** `previous(stepId)` → the id of the step before, null where there is none; `onChange()`; `onRefused()` where the trace is not for whoever is here. */
  constructor({ client, sessionId, previous, onChange, onRefused }) {
    Object.assign(this, { client, sessionId, previous, onChange, onRefused });
  }

  /** Shows nothing of the step before any longer. */
  clear() {
    Object.assign(this, { step: null, error: null, before: { state: 'loading' } });
    this.#now += 1;
  }

  /** Reads a step, or reads it again. What was begun before is no longer of interest. */
  async load(stepId) {
    const mine = (this.#now += 1);
    const isShown = () => mine === this.#now;
    this.error = null;
    try {
      const step = await this.#read(stepId);
      if (!isShown()) return;
      this.step = step;
    } catch (error) {
      if (error.status === 403) await this.onRefused();
      if (isShown()) this.error = `The step could not be loaded. ${error.message}`;
    }
    this.onChange();
    if (this.error || !isShown() || this.before.of === stepId) return;
    const before = await this.#before(stepId);
    if (!isShown()) return;
    this.before = before;
    this.onChange();
  }

  async #before(stepId) {
    try {
      const id = await this.previous(stepId);
      return id === null ? { state: 'first', of: stepId } : { state: 'known', of: stepId, step: await this.#read(id) };
    } catch (error) {
      return { state: 'failed', error: error.message };
    }
  }

  async #read(stepId) {
    if (this.#kept.has(stepId)) return this.#kept.get(stepId);
    const { steps } = await this.client.trace(this.sessionId, { step: stepId });
    const [step] = steps;
    if (step.status === 'finished' && step.tools.every(({ result }) => result)) {
      this.#kept.set(stepId, step);
      if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value);
    }
    return step;
  }
}
