/** The line of a run of tool calls (`runs.js`), which unfolds them. */
import { h, icon } from './dom.js';

/**
 * The items of a message's parts, those of a folded run hidden, and a run's line before its first call. `runs`: {of, open, toggle(id)}:
 * the Map of `runsOf`, the ids of the unfolded ones, and what unfolds or folds one.
 */
export function withRuns(items, { of, open, toggle }) {
  return items.flatMap((item) => {
    const run = of.get(item.part);
    if (!run) return [item];
    const shown = open.has(run.id);
    const line = run.id === item.part.call_id ? [{ index: `run ${run.id}`, part: { type: 'run', run, shown, toggle } }] : [];
    return [...line, { ...item, folded: !shown }];
  });
}

export function makeRun() {
  return h('button', { type: 'button', class: 'run' });
}

export function drawRun(node, { run, shown, toggle }) {
  const drawn = JSON.stringify([run, shown]);
  if (node.drawnRun === drawn) return;
  node.drawnRun = drawn;
  node.onclick = () => toggle(run.id);
  node.setAttribute('aria-expanded', String(shown));
  const failed = run.failed > 0 && h('span', { class: 'bad' }, `, ${run.failed} failed`);
  const mark = h('span', { class: 'state-mark' }, icon(run.failed === run.calls ? 'cross' : 'check'));
  const count = h('span', { class: 'run-count' }, `${run.calls} tools`, failed);
  const why = h('span', { class: 'tool-hint words', dir: 'auto' }, run.error || run.names);
  node.replaceChildren(mark, count, why, icon('chevron'));
}
