/**
 * The axis of a turn: where on it a moment is drawn, with long waits folded so that they squeeze nothing else. Pure.
 *
 * Rule: only time in which neither a model nor a tool works is folded; a fold says how long it was.
 */
import { duration } from '../shared/format.js';

/** Milliseconds; shorter waits are never folded. */
const SHORTEST = 2000;
/** A wait is folded if it is longer than this share of the time that was worked. */
const SHARE = 0.25;
/** Of the axis: what a fold takes, and what all of them take at most. */
const FOLD = 0.08;
const MOST = 0.5;
/** Ticks this near to a fold, or to the end, have no room for their text. */
const NEAR = 0.12;
const WORK = new Set(['first', 'stream', 'call']);

/** `start`, `end` and `rows` of `spans.js` → {shown, folds: [{from, to, shown}]}: `shown` milliseconds are drawn in all, and before a fold. */
export function axisOf({ start, end, rows }) {
  const busy = union(rows.flatMap(workOf));
  const worked = busy.reduce((sum, { from, to }) => sum + to - from, 0);
  const folds = [];
  let until = start;
  let shown = end - start;
  for (const { from, to } of [...busy, { from: end, to: end }]) {
    const length = from - until;
    if (length >= SHORTEST && length > worked * SHARE) {
      folds.push({ from: until, to: from, shown: until - start - (end - start - shown) });
      shown -= length;
    }
    until = Math.max(until, to);
  }
  return { start, shown: Math.max(shown, 1), folds };
}

/** The place of a moment, from 0 to 1, on an axis that has room for `length` shown milliseconds. */
export function placeOf({ start, folds }, moment, length) {
  const { room, each } = sizes(folds);
  let shown = moment - start;
  let folded = 0;
  for (const { from, to } of folds) {
    if (moment <= from) break;
    shown -= Math.min(moment, to) - from;
    folded += ((Math.min(moment, to) - from) / (to - from)) * each;
  }
  return (shown / length) * room + folded;
}

/** What is written on the axis: [{at, text, fold}], `at` from 0 to 1; a fold also has its `width`. Times are those that are shown. */
export function marksOf({ folds }, length) {
  const { room, each } = sizes(folds);
  const cuts = folds.map(({ from, to, shown }, index) => {
    const at = (shown / length) * room + index * each;
    return { at, width: each, text: duration(to - from), fold: true };
  });
  const ticks = ticksOf(length).map((shown) => {
    const before = folds.filter((one) => one.shown < shown).length;
    return { at: (shown / length) * room + before * each, text: shown ? duration(shown) : '0', fold: false };
  });
  const free = ({ at }) => at < 1 - NEAR && cuts.every((cut) => at + NEAR < cut.at || at > cut.at + cut.width - 0.001);
  return [...ticks.filter(free), ...cuts].sort((a, b) => a.at - b.at);
}

/** Times for an axis of `length` milliseconds: at most five round values. */
export function ticksOf(length) {
  const power = 10 ** Math.floor(Math.log10(Math.max(length, 1) / 5));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => length / size <= 5);
  return Array.from({ length: Math.floor(length / step) + 1 }, (_, index) => index * step);
}

function sizes(folds) {
  const each = folds.length ? Math.min(FOLD, MOST / folds.length) : 0;
  return { room: 1 - each * folds.length, each };
}

/** When a row is at work; a tool that asks somebody while it runs is not. */
function workOf({ segments, waits = [] }) {
  const own = segments.filter(({ kind }) => WORK.has(kind.split(' ')[0]));
  return waits.reduce((left, wait) => left.flatMap((one) => without(one, wait)), own.map(({ from, to }) => ({ from, to })));
}

function without(span, { from, to }) {
  const parts = [{ from: span.from, to: Math.min(span.to, from) }, { from: Math.max(span.from, to), to: span.to }];
  return to <= span.from || from >= span.to ? [span] : parts.filter((part) => part.to > part.from);
}

function union(spans) {
  const joined = [];
  for (const { from, to } of spans.toSorted((a, b) => a.from - b.from)) {
    const last = joined.at(-1);
    if (last && from <= last.to) last.to = Math.max(last.to, to);
    else joined.push({ from, to });
  }
  return joined;
}
