/** Limits by name, in words, and amounts of what they count. Pure. */
import { cost, duration } from './format.js';

/** By the last part of a limit's name: the unit for people, the member of an answer that sets it, and the least sensible step. */
export const LIMITS = {
  cost_usd: { unit: 'dollars', key: 'cost_usd', step: 0.01, noun: 'cost limit' },
  tokens: { unit: 'tokens', key: 'tokens', step: 1000, noun: 'token limit' },
  tool_calls: { unit: 'tool calls', key: 'tool_calls', step: 1, noun: 'limit of tool calls' },
  working_time: { unit: 'seconds', key: 'working_time', step: 60, noun: 'limit of working time' },
  steps: { unit: 'steps', key: 'steps', step: 1, noun: 'limit of steps' },
  other: { unit: '', key: null, step: 1, noun: 'limit' },
};

const SCOPES = { turn: 'This turn’s', session: 'This session’s', user: 'The user’s', tenant: 'The tenant’s' };
const PERIODS = { day: ' for the day', month: ' for the month' };

/** The provider’s own quota, of which no numbers are known, is a limit of this name. */
export const PROVIDER = 'provider';

/** `The user’s cost limit for the day` for user and `day.cost_usd`. */
export function limitName(scope, limit = '') {
  if (limit === PROVIDER) return 'The provider’s quota';
  const names = limit.split('.');
  const { noun } = LIMITS[names.at(-1)] ?? LIMITS.other;
  return `${SCOPES[scope] ?? 'The'} ${noun}${PERIODS[names[0]] ?? ''}`;
}

/** A count in the limit's unit; null where it is not known. */
export function amount(limit, value) {
  if (value === null || value === undefined) return null;
  const name = limit.split('.').at(-1);
  if (name === 'cost_usd') return cost(value);
  if (name === 'working_time') return duration(value * 1000);
  return `${value.toLocaleString('en')} ${(LIMITS[name] ?? LIMITS.other).unit}`.trim();
}
