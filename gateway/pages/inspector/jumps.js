/** What to jump to in a session: what failed, and what was dear. Pure. */

/** Steps that a walk through the dearest has. */
const DEAREST = 10;

/**
 * `turns`: of the view, those of all branches; `steps`: of the trace, where turns are not in the view. → [{turnId, stepId, callId}], newest first;
 * `stepId` null where a turn failed without one, `callId` only of a call.
 */
export function failures(turns, steps = []) {
  const shown = new Set(turns.map(({ id }) => id));
  const found = [];
  for (const step of steps.filter(({ turn_id: id }) => !shown.has(id))) {
    const call = step.tools.find(({ result }) => isFailure(result));
    if (call) found.push(placed(step, call.call_id));
    // A step of a turn that is long over and never ended.
    else if (step.status === 'running' || step.stop === 'error') found.push(placed(step));
  }
  for (const turn of turns) {
    const last = turn.messages.findLast((message) => message.step_id ?? message.role === 'assistant');
    for (const [callId, tool] of Object.entries(turn.tools))
      if (tool.state === 'failed') found.push({ turnId: turn.id, stepId: stepIn(turn, callId), callId });
    if (turn.reason === 'failed') found.push({ turnId: turn.id, stepId: last?.step_id ?? null });
  }
  return found.reverse();
}

/** Steps by their cost, the dearest first; as `failures`, with `cost`. Steps without a price are left out. */
export function dearest(turns, steps = []) {
  const told = new Map(steps.map((step) => [step.step_id, { ...placed(step), cost: step.cost_usd }]));
  for (const turn of turns)
    for (const { step_id: stepId, cost_usd: cost } of turn.messages)
      if (stepId && cost != null) told.set(stepId, { turnId: turn.id, stepId, cost });
  return [...told.values()].filter(({ cost }) => cost > 0).sort((a, b) => b.cost - a.cost).slice(0, DEAREST);
}

/** The place after `current` in a walk that begins anew at its end; null where there is none. */
export function nextOf(places, current) {
  const at = places.findIndex((one) => current && keyOf(one) === keyOf(current));
  return places.length ? { place: places[(at + 1) % places.length], number: ((at + 1) % places.length) + 1 } : null;
}

const keyOf = ({ turnId, stepId, callId }) => `${turnId} ${stepId} ${callId}`;
const placed = ({ turn_id: turnId, step_id: stepId }, callId) => ({ turnId, stepId, ...(callId && { callId }) });
const stepIn = (turn, callId) => turn.messages.find(({ step_id: id }) => id && callId.startsWith(`${id}.`))?.step_id ?? null;
const isFailure = (result) => result?.is_error && !['stopped', 'superseded'].includes(result.output?.type);
