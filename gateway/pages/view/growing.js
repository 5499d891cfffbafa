/** Answers as they grow: fragments of a step → its message, until its `step.finished` takes their place. Pure. */
import { turnOf } from './ids.js';
import { added, newStep, patchStep, plus } from './turns.js';

export function finishStep(view, event) {
  const { message, step_id, model, usage, cost_usd, timing, stop, attempt, request_sha256, at } = event;
  const { adapted, skipped, misfit } = event;
  const told = { ...(adapted && { adapted }), ...(skipped && { skipped }), ...(misfit && { misfit }) };
  const numbers = { model, usage, cost_usd, timing, stop, attempt, request_sha256, finished_at: at, ...told };
  const finish = (step) => ({ ...step, ...message, key: step_id, step_id, live: false, trouble: null, ...numbers });
  const sums = (whole) => ({ usage: added(whole.usage, usage), cost_usd: plus(whole.cost_usd, cost_usd) });
  return { ...patchStep(view, event, finish, sums), ...sums(view) };
}

export function reduceStep(view, event) {
  const running = view.turns.find((turn) => turn.id === turnOf(event.step_id)) ?? view.turns.at(-1);
  if (running?.status !== 'running') return view;
  const patch = (change, gap = null) => ({ ...patchStep(view, { ...event, turn_id: running.id }, change), gap });
  const old = running.messages.find((message) => message.step_id === event.step_id);
  if (old && (!old.live || event.attempt < old.attempt)) return view;
  if (event.type === 'step.snapshot') {
    const { attempt, n, parts } = event;
    const over = n > 0 && { trouble: null };
    return patch((step) => ({ ...(step ?? newStep(event)), attempt, parts: parts.map(livePart), next: n, ...over }));
  }
  const fresh = !old || event.attempt > old.attempt;
  const step = fresh ? { ...(old ?? newStep(event)), attempt: event.attempt, parts: [], next: 0 } : old;
  if (event.n < step.next) return view;
  if (event.n > step.next) return fresh ? patch(() => step, event.step_id) : { ...view, gap: event.step_id };
  return patch(() => ({ ...step, trouble: null, parts: withDelta(step.parts, event), next: event.n + 1 }), view.gap);
}

/** A model call that failed is tried again: `trouble` {failures, error, retry_at} is there until the answer goes on, `overcame` stays. */
export function reduceRetrying(view, { step_id, failures, error, retry_at }) {
  const turn = view.turns.find(({ id }) => id === turnOf(step_id));
  const old = turn?.messages.find((message) => message.step_id === step_id);
  if (turn?.status !== 'running' || (old && !old.live)) return view;
  const trouble = { failures, error, retry_at };
  return patchStep(view, { step_id, turn_id: turn.id }, (step) => ({ ...(step ?? newStep({ step_id })), trouble, overcame: trouble }));
}

/** A growing part in the form of messages; a tool call's input is text (`args_text`) until it is complete. */
function livePart({ type, text, name }) {
  return type === 'tool_input' ? { type: 'tool_call', name: name ?? '', args_text: text } : { type, text };
}

function withDelta(parts, { part, kind, delta, name }) {
  const old = parts[part];
  const text = (old?.text ?? old?.args_text ?? '') + delta;
  // Skipped parts are still empty.
  return Array.from({ length: Math.max(parts.length, part + 1) }, (_, index) =>
    index === part
      ? livePart({ type: kind, text, name: name ?? old?.name })
      : (parts[index] ?? { type: 'text', text: '' }),
  );
}
