/** The inspector's timeline: `spans.js` → nodes. The row of a step is a button that shows the step in full. */
import { h, icon, keyed, setText } from '../shared/dom.js';
import { everyTurn } from '../view/branches.js';
import { isSaid } from '../view/notes.js';
import { messageFile } from '../shared/files.js';
import { outcome } from '../shared/endings.js';
import { cost, duration, textOf, tokens, total } from '../shared/format.js';
import { drawFold, makeFold } from './fold_row.js';
import { rowsOf, ticks } from './spans.js';

/**
 * Draws the turns of all branches, and what was folded between them. `pick(stepId)` when a row is chosen, `fork(turnId)` when a session is
 * to be forked at a turn, null where nobody here may; `shared`: one scale for all turns, else each turn has its own.
 */
export function drawTimeline(container, view, { traced, now, selected, shared, pick, fork }) {
  const turns = everyTurn(view).map(({ turn, left }) => ({ kind: 'turn', id: turn.id ?? 'next', turn, left, ...rowsOf(turn, traced, now) }));
  const longest = Math.max(1, ...turns.map((item) => item.end - item.start));
  const choices = { selected, pick, fork, traced };
  const folds = (id) =>
    view.folds.filter(({ after }) => after === id).map((fold) => ({ kind: 'fold', id: fold.id, fold, ...choices }));
  const items = turns.flatMap((item) => {
    const length = shared ? longest : item.end - item.start;
    return [{ ...item, length, ...choices }, ...(item.turn.id === null ? [] : folds(item.turn.id))];
  });
  keyed(container, [...folds(null), ...items], {
    key: ({ kind, id }) => `${kind} ${id}`,
    make: (item) => (item.kind === 'turn' ? makeTurn(item) : makeFold(item)),
    update: (node, item) => (item.kind === 'turn' ? drawTurn(node, item) : drawFold(node, item)),
  });
}

function makeTurn({ turn }) {
  const button = h('button', { class: 'link-button fork', type: 'button', hidden: true }, 'Fork from here');
  button.title = 'A new session with the past up to the end of this turn';
  button.addEventListener('click', () => button.fork(turn.id, button));
  const head = h('header', {}, h('p', { class: 'said' }), h('p', { class: 'sums' }), button);
  return h(
    'article',
    { class: 'turn' },
    head,
    h('ul', { class: 'files', 'aria-label': 'Files of the message' }),
    h('p', { class: 'why', hidden: true }),
    h('div', { class: 'axis', 'aria-hidden': 'true' }),
    h('ol', { class: 'rows' }),
  );
}

function drawTurn(node, { turn, left, start, rows, length, selected, pick, fork, traced }) {
  // While one turn runs, all others stay unchanged.
  const drawn = [turn, left, length, selected, fork, traced.size];
  if (turn.status !== 'running' && node.drawn?.every((value, index) => value === drawn[index])) return;
  node.drawn = drawn;
  const [head, files, why, axis, list] = node.children;
  const asked = turn.messages.filter(isSaid);
  const said = asked.map(textOf).filter(Boolean).join('\n');
  const given = asked.flatMap(({ parts }) => parts.filter((part) => part.type === 'file'));
  const [saidNode, sums, button] = head.children;
  button.hidden = !fork || turn.id === null || turn.status === 'running' || left;
  button.fork = fork;
  node.classList.toggle('left-behind', left);
  setText(saidNode, said || given.map(({ name }) => name).join(', ') || begun(turn));
  keyed(files, given, { key: ({ uri, name }) => `${uri} ${name}`, make: (file) => h('li', {}, messageFile(file)) });
  // If the turn's own events are gone, its rows still have their tokens.
  const counted = total(turn.usage) || rows.reduce((sum, row) => sum + (row.tokens ?? 0), 0);
  const paid = total(turn.usage)
    ? turn.cost_usd
    : rows
        .filter((row) => row.priced)
        .reduce((sum, row) => (sum === null || row.cost === null ? null : sum + row.cost), 0);
  const guessed = { estimated: total(turn.usage) ? turn.usage.estimated : rows.some((row) => row.estimated) };
  const took = rows.length
    ? duration(Math.max(...rows.flatMap((row) => row.segments.map((segment) => segment.to))) - start)
    : '';
  setText(
    sums,
    [
      turn.id,
      left && 'on another branch',
      turn.status === 'running' ? 'working' : turn.reason,
      took,
      counted && tokens(counted, guessed),
      counted && cost(paid, guessed),
    ]
      .filter(Boolean)
      .join(' · '),
  );
  const result = outcome(turn);
  why.hidden = !result?.bad;
  if (result?.bad) setText(why, [result.text, result.why].filter(Boolean).join(' '));
  keyed(
    axis,
    ticks(length)
      .filter((at) => at < length * 0.93)
      .map((at) => ({ at })),
    {
      key: ({ at }) => at,
      make: ({ at }) => h('span', {}, at ? duration(at) : '0'),
      update: (tick, { at }) => (tick.style.left = `${(at / length) * 100}%`),
    },
  );
  keyed(
    list,
    rows.map((row) => ({ ...row, start, length, selected: row.stepId !== null && row.stepId === selected, pick })),
    // A row whose session becomes known is recreated, with a link.
    { key: ({ key, session }) => `${key} ${session ?? ''}`, make: makeRow, update: drawRow },
  );
}

/** What began a turn without words of a user. */
function begun({ cause, continues, tools }) {
  if (continues) return `Goes on with ${continues}`;
  const takesBack = Object.values(tools).some((tool) => tool.undoes || tool.questions?.some(({ subject }) => subject === 'rewind'));
  return takesBack ? 'Takes back what was done' : `Started by ${cause === 'answer' ? 'an' : 'a'} ${cause ?? 'message'}`;
}

function makeRow({ stepId, kind, pick, session, label, deep }) {
  const cells = [
    h(
      'span',
      { class: 'name' },
      h('span', { class: 'mark-of' }),
      h('span', { class: 'label' }),
      h('small'),
      h('small', { class: 'tries' }),
    ),
    h('span', { class: 'track' }),
    h('span', { class: 'numbers' }),
  ];
  const inner =
    stepId === null
      ? h('div', { class: 'row' }, cells)
      : h('button', { class: 'row', type: 'button', data: { step: stepId }, onclick: () => pick(stepId) }, cells);
  const link = session && h('a', { class: 'sub-link', href: `/sessions/${encodeURIComponent(session)}` }, `Session of ${label}`);
  return h('li', { class: deep && 'deep', data: { kind } }, inner, link);
}

function drawRow(node, row) {
  const inner = node.firstChild;
  const [name, track, numbers] = inner.children;
  if (row.stepId !== null) inner.setAttribute('aria-pressed', String(row.selected));
  const mark = row.state === 'running' ? 'running' : row.state === 'failed' ? 'failed' : row.kind;
  if (name.dataset.mark !== mark) {
    name.firstChild.replaceChildren(
      ...(mark === 'running' ? [h('span', { class: 'spinner' })] : mark === 'failed' ? [icon('cross')] : []),
    );
    name.dataset.mark = mark;
  }
  setText(name.children[1], row.label);
  setText(name.children[2], row.note ?? '');
  setText(name.lastChild, row.tries ?? '');
  name.title = row.title ?? row.label;
  keyed(
    track,
    row.segments
      .filter((segment) => segment.to > segment.from || row.segments.length === 1)
      .map((segment, index) => ({ ...segment, index })),
    {
      key: ({ index, kind }) => `${index} ${kind}`,
      make: ({ kind }) => h('span', { class: `bar ${kind}` }),
      update: (bar, { from, to, title }) => {
        bar.style.left = `${((from - row.start) / row.length) * 100}%`;
        bar.style.width = `${((to - from) / row.length) * 100}%`;
        bar.title = title;
      },
    },
  );
  const took = row.segments.at(-1).to - row.segments[0].from;
  const counts = row.tokens != null ? `${tokens(row.tokens, row)} · ${cost(row.cost, row)}` : '';
  setText(numbers, row.kind === 'wait' ? '' : [counts, duration(took)].filter(Boolean).join(' · '));
}
