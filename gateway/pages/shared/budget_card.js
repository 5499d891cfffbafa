/** The question at a limit: what was reached, what the next step needs, and the ways to go on. */
import { h } from './dom.js';
import { LIMITS, PROVIDER, amount, limitName } from './limits.js';

const CENT = 0.01;
const SHARED = 'It is shared with other sessions, so it is raised where it is kept; this turn can be let go on all the same.';

/** As `approval` and `input` in `questions.js`. */
export function budget(question) {
  const { scope, limit, cap, words } = question;
  const provider = limit === PROVIDER;
  // Purses are set by those who keep them, not from a session.
  const shared = ['user', 'tenant'].includes(scope);
  const { unit, key, step } = LIMITS[limit?.split('.').at(-1)] ?? LIMITS.other;
  const yes = h('button', { type: 'submit', class: 'button primary' }, provider ? 'Try again' : 'Allow this turn');
  const no = h('button', { type: 'button', class: 'button danger' }, 'End the turn');
  const { spent, needs } = sums(question);
  const rows = [
    ['Limit', amount(limit, cap)],
    ['Spent', amount(limit, spent)],
    ['The next step needs', needs ? `up to ${amount(limit, needs)}` : null],
  ].filter(([, value]) => value && !provider);
  const facts = h('dl', { class: 'values' }, rows.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
  const why = (words || shared) && h('p', { class: 'long' }, words ?? SHARED);
  const field = h('input', { type: 'number', name: key, min: step, step: 'any', required: true, inputmode: 'decimal', 'aria-label': `New limit, in ${unit}` });
  field.value = key === 'cost_usd' ? proposed(question, step).toFixed(2) : proposed(question, step);
  const raise = h('button', { type: 'button', class: 'button' }, 'Raise to');
  const sign = key === 'cost_usd' ? h('span', { 'aria-hidden': 'true' }, '$') : null;
  const behind = key === 'cost_usd' ? null : h('span', { 'aria-hidden': 'true' }, unit);
  const raising = key && cap !== null && !shared && h('div', { class: 'raise' }, raise, h('label', { class: 'amount' }, sign, field, behind));
  const raised = () => (field.reportValidity() ? { result: { [key]: Number(field.value) } } : null);
  // Enter in the field means the amount, not the first button.
  field.addEventListener('keydown', (event) => event.key === 'Enter' && (event.preventDefault(), raise.click()));
  return {
    title: [provider ? `${limitName(scope, limit)} is used up` : `${limitName(scope, limit)} is reached`],
    nodes: [why, facts, h('div', { class: 'actions' }, yes, raising, no)].filter(Boolean),
    no,
    yes: () => ({ approved: true }),
    others: [[raise, raised]],
    declined: () => ({ approved: false }),
  };
}

/** Twice the limit, or what is needed if that is more: a round number. */
function proposed(question, step) {
  const { spent, needs } = sums(question);
  const least = Math.max(2 * (question.cap ?? 0), (spent ?? 0) + (needs ?? 0), step);
  // Dollars are given in whole cents.
  const unit = Math.max(10 ** (Math.floor(Math.log10(least)) - 1), step === CENT ? CENT : 1);
  return Number((Math.ceil(least / unit - 1e-9) * unit).toPrecision(6));
}

/** What was spent and what is needed, in the unit of the limit; dollars are told for any limit. */
function sums({ limit, spent, needs, spent_usd: spentUsd, needs_usd: needsUsd }) {
  return limit?.endsWith('cost_usd') ? { spent: spentUsd ?? spent, needs: needsUsd ?? needs } : { spent, needs };
}
