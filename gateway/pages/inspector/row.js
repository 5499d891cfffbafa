/** A row of the timeline: a name, bars on the turn's axis, and numbers. What bars show is also said in words. */
import { h, icon, keyed, setText } from '../shared/dom.js';
import { inspectorAddress } from '../shared/addresses.js';
import { cost, duration, tokens } from '../shared/format.js';
import { placeOf } from './axis.js';

const KINDS = { wait: 'Waits', model: 'Model', tool: 'Tool', ask: 'Question' };
const STATES = { running: 'runs', failed: 'failed', stopped: 'was stopped' };

export function makeRow({ stepId, callId, kind, pick, session, label, deep }) {
  const cells = [
    h(
      'span',
      { class: 'name' },
      h('span', { class: 'mark-of' }),
      h('span', { class: 'hidden' }),
      h('span', { class: 'label' }),
      h('small', { dir: 'auto' }),
      h('small', { class: 'tries' }),
    ),
    h('span', { class: 'track', 'aria-hidden': 'true' }),
    h('span', { class: 'numbers' }),
    h('span', { class: 'hidden' }),
  ];
  const inner =
    stepId === null
      ? h('div', { class: 'row' }, cells)
      : h('button', { class: 'row', type: 'button', data: { step: stepId, ...(callId && { call: callId }) }, onclick: () => pick(stepId) }, cells);
  const link = session && h('a', { class: 'sub-link', href: inspectorAddress(session) }, `Session of ${label}`);
  return h('li', { class: deep && 'deep', data: { kind } }, inner, h('p', { class: 'row-error', dir: 'auto', hidden: true }), link);
}

export function drawRow(node, row) {
  const inner = node.firstChild;
  const [name, track, numbers, words] = inner.children;
  const [mark, kind, label, note, tries] = name.children;
  if (row.stepId !== null) inner.setAttribute('aria-pressed', String(row.selected));
  drawMark(name, mark, row);
  const state = STATES[row.state];
  setText(kind, row.kind === 'wait' ? '' : `${KINDS[row.kind]}${state ? `, ${state}` : ''}: `);
  setText(label, row.label);
  setText(note, row.note ?? '');
  setText(tries, row.tries ?? '');
  name.title = row.title ?? row.label;
  drawBars(track, row);
  const took = row.segments.at(-1).to - row.segments[0].from;
  const counts = row.tokens != null ? `${tokens(row.tokens, row)} · ${cost(row.cost, row)}` : '';
  setText(numbers, row.kind === 'wait' ? '' : [counts, duration(took)].filter(Boolean).join(' · '));
  // Of a row that changes all the time, only the end is told.
  setText(words, row.state === 'running' ? '' : drawn(row).map(({ title }) => `. ${title}`).join(''));
  const error = node.querySelector('.row-error');
  error.hidden = !row.error;
  setText(error, row.error ?? '');
}

function drawMark(name, node, { state, kind }) {
  const mark = state === 'running' || state === 'failed' ? state : kind;
  if (name.dataset.mark === mark) return;
  name.dataset.mark = mark;
  node.replaceChildren(...(mark === 'running' ? [h('span', { class: 'spinner' })] : mark === 'failed' ? [icon('cross')] : []));
}

function drawBars(track, row) {
  const { axis, length } = row;
  const place = (moment) => placeOf(axis, moment, length);
  const cuts = axis.folds.map(({ from, to }, index) => ({ from, to, kind: 'cut', index, title: `A wait of ${duration(to - from)} is folded here` }));
  const bars = drawn(row).map((segment, index) => ({ ...segment, index }));
  keyed(track, [...cuts, ...bars], {
    key: ({ index, kind }) => `${index} ${kind}`,
    make: ({ kind }) => h('span', { class: kind === 'cut' ? 'cut' : `bar ${kind}` }),
    update: (bar, { from, to, title }) => {
      bar.style.left = `${place(from) * 100}%`;
      bar.style.width = `${(place(to) - place(from)) * 100}%`;
      bar.title = title;
    },
  });
}

/** The segments that have a length, or the only one. */
const drawn = ({ segments }) => segments.filter((segment) => segment.to > segment.from || segments.length === 1);
