/**
 * The order of the list of sessions. Pure.
 *
 * Rule 1: a sub-agent's session is part of the one above it, which waits when it waits; only the open one is listed, below that.
 * Rule 2: what waits for a person comes first, whatever its age; all else by day, what works and what was active last coming first.
 */

import { folded } from '../shared/words.js';

const NEEDS_YOU = 'Needs you';
const DAY_MS = 86_400_000;

/** Groups [{label, entries}], none of them empty. `byId`: all that is known; `open`: the id of the open session. */
export function groups(byId, open, now = new Date()) {
  const found = new Map();
  const put = (label, entries) => found.set(label, [...(found.get(label) ?? []), ...entries]);
  const families = nested(byId, open);
  for (const family of families.filter(([top]) => top.status === 'waiting')) put(NEEDS_YOU, family);
  for (const family of families.filter(([top]) => top.status !== 'waiting')) put(dayOf(family[0], now), family);
  return [...found].map(([label, entries]) => ({ label, entries }));
}

/** Whether a person who types `words` looks for the entry. */
export function matches({ title, named, agent }, words) {
  const text = folded(`${named ?? ''} ${title ?? ''} ${agent ?? ''}`);
  return folded(words).split(/\s+/).every((word) => text.includes(word));
}

/** When it last did something. */
const time = (entry) => Date.parse(entry.active_at ?? entry.created_at) || 0;
const atWork = ({ status }) => Number(status === 'working');

/** [top entry, the open one below it?] by the first rule, what was active last coming first. */
function nested(byId, current) {
  const top = (entry) => (byId.has(entry.parent) ? top(byId.get(entry.parent)) : entry);
  const waiting = new Set([...byId.values()].filter(({ status }) => status === 'waiting').map((entry) => top(entry).session_id));
  const open = byId.get(current);
  const above = open?.parent && top(open);
  return [...byId.values()]
    .filter((entry) => !entry.parent || entry === open)
    .filter((entry) => entry !== open || !above || above === open)
    .sort((a, b) => atWork(b) - atWork(a) || time(b) - time(a) || (a.session_id < b.session_id ? -1 : 1))
    .map((entry) => (waiting.has(entry.session_id) && entry.status === 'working' ? { ...entry, status: 'waiting' } : entry))
    .map((entry) => (above && entry.session_id === above.session_id && above !== open ? [entry, open] : [entry]));
}

/** Days are those of the person; not all of them have 24 hours. */
const day = (at) => Date.UTC(at.getFullYear(), at.getMonth(), at.getDate());

function dayOf(entry, now) {
  const at = new Date(time(entry));
  const days = (day(now) - day(at)) / DAY_MS;
  if (days <= 0 || atWork(entry)) return 'Today';
  if (days === 1) return 'Yesterday';
  if (days <= 7) return 'Previous 7 days';
  if (days <= 30) return 'Previous 30 days';
  return at.toLocaleDateString([], { month: 'long', year: 'numeric' });
}
