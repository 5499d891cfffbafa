/** The inspector's timeline: `spans.js` → nodes, a turn at a time. The row of a step is a button that shows the step in full. */
import { h, keyed, setText } from '../shared/dom.js';
import { everyTurn } from '../view/branches.js';
import { isSaid } from '../view/notes.js';
import { messageFile } from '../shared/files.js';
import { outcome } from '../shared/endings.js';
import { cost, duration, textOf, tokens, total } from '../shared/format.js';
import { axisOf, marksOf } from './axis.js';
import { drawFold, makeFold } from './fold_row.js';
import { drawRated } from './rated.js';
import { drawRow, makeRow } from './row.js';
import { rowsOf } from './spans.js';

/** Of finished turns, what was made of them and of what. */
const known = new WeakMap();

/**
 * Draws the turns of all branches, and what was folded between them. `pick(stepId)` when a row is chosen, `fork(turnId)` when a session is
 * to be forked at a turn, null where nobody here may; `shared`: one scale for all turns, else each turn has its own. `traced`, `heard` and
 * `now`: see `spans.js`.
 */
export function drawTimeline(container, view, { traced, heard, now, selected, shared, pick, fork }) {
  const turns = everyTurn(view).map(({ turn, left }) => ({ kind: 'turn', id: turn.id ?? 'next', turn, left, given: view.feedback[turn.id], ...spansOf(turn, { traced, heard, now }) }));
  const longest = shared ? Math.max(1, ...turns.map(({ axis }) => axis.shown)) : null;
  const choices = { selected, pick, fork, traced };
  const folds = (id) =>
    view.folds.filter(({ after }) => after === id).map((fold) => ({ kind: 'fold', id: fold.id, fold, ...choices }));
  const items = turns.flatMap((item) => {
    const length = longest ?? item.axis.shown;
    return [{ ...item, length, ...choices }, ...(item.turn.id === null ? [] : folds(item.turn.id))];
  });
  keyed(container, [...folds(null), ...items], {
    key: ({ kind, id }) => `${kind} ${id}`,
    make: (item) => (item.kind === 'turn' ? makeTurn(item) : makeFold(item)),
    update: (node, item) => (item.kind === 'turn' ? drawTurn(node, item) : drawFold(node, item)),
  });
}

function spansOf(turn, given) {
  const before = known.get(turn);
  if (before?.size === given.traced.size && turn.status !== 'running') return before.spans;
  const spans = rowsOf(turn, given);
  const made = { ...spans, axis: axisOf(spans) };
  known.set(turn, { size: given.traced.size, spans: made });
  return made;
}

function makeTurn({ turn, id }) {
  const button = h('button', { class: 'link-button fork', type: 'button', hidden: true }, 'Fork from here');
  button.title = 'A new session with the past up to the end of this turn';
  button.addEventListener('click', () => button.fork(turn.id));
  const title = `turn-${id}-title`;
  const head = h('header', {}, h('h3', { class: 'said', id: title, dir: 'auto' }), h('a', { class: 'anchor', href: `#turn=${id}`, title: 'The address of this turn' }, id), h('p', { class: 'sums' }), button);
  return h(
    'article',
    { class: 'turn', id: `turn-${id}`, tabindex: -1, 'aria-labelledby': title, data: { turn: id } },
    head,
    h('ul', { class: 'files', 'aria-label': 'Files of the message' }),
    h('p', { class: 'why', hidden: true }),
    h('p', { class: 'rated', hidden: true }),
    h('div', { class: 'axis', 'aria-hidden': 'true' }),
    h('ol', { class: 'rows', 'aria-label': 'Model calls, tools and waits' }),
  );
}

function drawTurn(node, { turn, left, given: rated, start, rows, axis, length, selected, pick, fork, traced }) {
  // While one turn runs, all others stay unchanged.
  const chosen = selected && rows.some(({ stepId }) => stepId === selected) ? selected : null;
  const drawn = [turn, left, rated, length, chosen, fork, traced.size];
  if (turn.status !== 'running' && node.drawn?.every((value, index) => value === drawn[index])) return;
  node.drawn = drawn;
  const [head, files, why, feedback, marks, list] = node.children;
  const [saidNode, anchor, sums, button] = head.children;
  anchor.hidden = turn.id === null;
  const given = turn.messages.filter(isSaid).flatMap(({ parts }) => parts.filter((part) => part.type === 'file'));
  button.hidden = !fork || turn.id === null || turn.status === 'running' || left;
  button.fork = fork;
  node.classList.toggle('left-behind', left);
  setText(saidNode, titleOf(turn));
  keyed(files, given, { key: ({ uri, name }) => `${uri} ${name}`, make: (file) => h('li', {}, messageFile(file)) });
  setText(sums, sumsOf({ turn, left, start, rows }));
  const result = outcome(turn);
  why.hidden = !result?.bad;
  if (result?.bad) setText(why, [result.text, result.why].filter(Boolean).join(' '));
  drawRated(feedback, rated);
  drawMarks(marks, axis, length);
  keyed(
    list,
    rows.map((row) => ({ ...row, axis, length, selected: row.stepId !== null && row.stepId === selected, pick })),
    // A row whose session becomes known is recreated, with a link.
    { key: ({ key, session }) => `${key} ${session ?? ''}`, make: makeRow, update: drawRow },
  );
}

function drawMarks(node, axis, length) {
  keyed(node, marksOf(axis, length), {
    key: ({ text, fold, at }) => `${fold} ${fold ? at : text}`,
    make: ({ fold }) => h('span', { class: fold ? 'cut' : 'tick' }),
    update: (mark, { at, text, fold, width }) => {
      setText(mark, text);
      mark.style.left = `${at * 100}%`;
      if (!fold) return;
      mark.style.width = `${width * 100}%`;
      mark.title = `A wait of ${text} is folded here`;
    },
  });
}

/** `done · 2.1 s · 1,205 tokens · $0.0029`. If the turn's own events are gone, its rows still have their tokens. */
function sumsOf({ turn, left, start, rows }) {
  const told = total(turn.usage);
  const counted = told || rows.reduce((sum, row) => sum + (row.tokens ?? 0), 0);
  const paid = told
    ? turn.cost_usd
    : rows
        .filter((row) => row.priced)
        .reduce((sum, row) => (sum === null || row.cost === null ? null : sum + row.cost), 0);
  const guessed = { estimated: told ? turn.usage.estimated : rows.some((row) => row.estimated) };
  const took = rows.length
    ? duration(Math.max(...rows.flatMap((row) => row.segments.map((segment) => segment.to))) - start)
    : '';
  const how = turn.status === 'running' ? 'working' : turn.reason;
  const words = [left && 'on another branch', how, took, counted && tokens(counted, guessed), counted && cost(paid, guessed)];
  return words.filter(Boolean).join(' · ');
}

/** What the turn answers, or what began it without words of a user. */
export function titleOf(turn) {
  const asked = turn.messages.filter(isSaid);
  const said = asked.map(textOf).filter(Boolean).join('\n');
  const names = asked.flatMap(({ parts }) => parts.filter((part) => part.type === 'file').map(({ name }) => name));
  return said || names.join(', ') || begun(turn);
}

function begun({ cause, continues, tools }) {
  if (continues) return `Goes on with ${continues}`;
  const takesBack = Object.values(tools).some((tool) => tool.undoes || tool.questions?.some(({ subject }) => subject === 'rewind'));
  return takesBack ? 'Takes back what was done' : `Started by ${cause === 'answer' ? 'an' : 'a'} ${cause ?? 'message'}`;
}
