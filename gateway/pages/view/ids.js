/**
 * What ids of a session say, as `workflows/vocabulary/ids.py` makes them: a turn `t7`, a step `t7.s2`, a tool call `t7.s2.c1`,
 * a handler's own `t7.s0.c1`, a handler's question `t7.ask`, a compaction `k3`.
 * Nothing else reads an id; what a question is about is in its `kind`, `subject` and `form`.
 */

/** The turn of a step, a call, or a handler's question. */
export const turnOf = (stepOrCall) => stepOrCall.split('.')[0];

/** The step whose answer holds a call. */
export const stepOf = (call) => call.slice(0, call.lastIndexOf('.c'));

/** The number of a step in its turn. */
export const stepNumber = (step) => step.slice(step.lastIndexOf('s') + 1);

/** Whether a handler makes a call by itself, and no model. */
export const isOfHandler = (call) => /^t\d+\.s0\.c\d+$/.test(call);

/** Whether a model call belongs to no turn, because it summarises. */
export const isCompaction = (step) => /^k\d+$/.test(step);

/** Whether a message of a prompt is what a compaction made of what came before. */
export const isSummary = (message) => /^k\d+\.summary$/.test(message ?? '');
