/**
 * All steps of a session without their prompts, however long it is: for the step before another, for failures, and for what was dear.
 *
 * Rule: it is read when somebody asks for what the timeline does not show yet, and later only what is new.
 */

/** Steps of a page. */
const PAGE = 1000;

export class Outline {
  #steps = [];

  /** `client`: a PerdureClient. */
  constructor(client, sessionId) {
    Object.assign(this, { client, sessionId });
  }

  /** → the steps of the trace, oldest first. Throws PerdureError. */
  async read() {
    // What had not ended then may have ended by now.
    const open = this.#steps.findIndex(({ status }) => status === 'running');
    if (open >= 0) this.#steps.length = open;
    for (let after = this.#steps.length; after !== null; ) {
      const { steps, next_cursor: next } = await this.client.trace(this.sessionId, { after, limit: PAGE, prompts: false });
      this.#steps.push(...steps);
      after = next;
    }
    return this.#steps;
  }

  /** → the id of the step whose prompt is compared with that of `stepId`: the one before it that answers; null: it is the first. */
  async before(stepId) {
    const steps = await this.read();
    const at = steps.findIndex((step) => step.step_id === stepId);
    return steps.slice(0, Math.max(at, 0)).findLast(({ purpose }) => purpose !== 'compact')?.step_id ?? null;
  }
}
