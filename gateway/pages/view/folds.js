/** Compactions: where the model was given a summary in place of what was said. The transcript stays as it is. Pure. */
import { added, plus } from './turns.js';

/**
 * The view after `context.compacted`. A fold {id, after, how: 'summarized'|'trimmed'|'dropped', ...} stands behind the turn `after`: before
 * the one that runs or is next; the rest of it is the event's.
 */
export function compacted(view, event) {
  const last = view.turns.at(-1);
  const after = last?.status === 'running' ? view.turns.at(-2) : last;
  const { type, seq, turn_id, usage, cost_usd, ...told } = event;
  const fold = { ...told, id: `fold ${seq}`, after: after?.id ?? null, usage, cost_usd };
  const sums = usage ? { usage: added(view.usage, usage), cost_usd: plus(view.cost_usd, cost_usd) } : {};
  return { ...view, folds: [...view.folds, fold], ...sums };
}
