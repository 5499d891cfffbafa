/** The facts of a step in plain words, and where its input came from. */
import { isCompaction } from '../view/ids.js';
import { h } from '../shared/dom.js';
import { ESTIMATED, cost, duration, fullTime, inputTokens, modelName, outputTokens } from '../shared/format.js';

const ENDS = {
  end: 'The answer is complete',
  tool_calls: 'The model called tools',
  stop_sequence: 'It came to a stop sequence of the request',
  max_tokens: 'Cut at the most tokens that the model may write',
  refusal: 'The model declined',
  content_filter: 'The provider’s content filter cut the answer',
  context_window: 'The context window was full',
  pause: 'The model paused, to be asked to go on',
  repetition: 'Cut, because it repeated itself without end',
  stopped: 'Somebody stopped it',
  error: 'It failed',
};

const SAME = {
  true: 'Shown below exactly as it was sent',
  false: 'Another was sent: the one below is what today’s code makes of the same conversation',
  null: 'Whether the one below is what was sent cannot be said',
};

/** `step`: of the trace, with what the events tell while it runs; `known`: the trace has told of it. */
export function factsOf(step) {
  const { usage, timing, attempt, cost_usd: usd, started_at: startedAt, request_sha256: sha, request_matches: same } = step;
  const { request, adapted, skipped, misfit, tried = [], running, known } = step;
  const rows = [
    ['How it ended', running ? 'It still runs' : endOf(step)],
    ['Cost', usage && cost(usd, usage)],
    ['Total time', duration(timing?.total_ms)],
    ['First token', timing?.first_token_ms != null && `after ${duration(timing.first_token_ms)}`],
    ['Attempts', attempt && (attempt > 1 ? `${attempt}, of which the last gave this answer` : '1')],
    ['Started', fullTime(startedAt)],
    ['Input tokens', usage && inputTokens(usage)],
    ['Output tokens', usage && outputTokens(usage)],
    ['Counts', usage?.estimated && ESTIMATED],
    ['Asked before, in vain', tried.length > 0 && h('ul', {}, tried.map((one) => h('li', {}, triedOf(one))))],
    ['Changed for the server', adapted?.join('; ')],
    ['Passed over', skipped && `${skipped} ${skipped === 1 ? 'piece' : 'pieces'} of the answer whose shape is not known`],
    ['Not of the form asked for', misfit],
    ['Request', running || !known ? null : request ? SAME[same ?? null] : 'It is not kept'],
    ['Request sha256', sha && h('code', { class: 'sha' }, sha)],
  ];
  return rows
    .filter(([, value]) => value)
    .map(([name, value]) => h('div', { class: WIDE.has(name) && 'wide' }, h('dt', {}, name), h('dd', { dir: 'auto' }, value)));
}

const WIDE = new Set(['Asked before, in vain', 'Changed for the server', 'Not of the form asked for', 'Request', 'Request sha256']);

function endOf({ stop, stop_raw: raw, stepId }) {
  if (isCompaction(stepId)) return stop === 'end' ? 'The summary is complete' : stop && 'No summary came of it';
  if (!stop) return null;
  return ENDS[stop] ?? (raw ? `The provider said “${raw}”, whose meaning is not known` : 'For an unknown reason');
}

function triedOf({ model, message, attempts, cost_usd: usd }) {
  const spent = usd ? `, ${cost(usd)}` : '';
  return `${modelName(model)}: ${message} (${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}${spent})`;
}

/** The input as a bar of three shares, each also in words; nothing where the cache took no part. */
export function inputMeter({ input_tokens: count = 0, cached_tokens: cached = 0, cache_write_tokens: written = 0 }) {
  if (!count || !(cached || written)) return [];
  const shares = [
    ['cached', cached, 'served from the provider’s cache'],
    ['written', written, 'new, and kept in the cache'],
    ['plain', Math.max(0, count - cached - written), 'new, not kept'],
  ].filter(([, part]) => part > 0);
  const bar = shares.map(([name, part]) => h('span', { class: `share ${name}`, style: `flex-grow: ${part}` }));
  const words = shares.map(([name, part, words]) => h('li', { class: `key ${name}` }, `${percent(part, count)} ${words}`));
  return [h('div', { class: 'meter-bar', 'aria-hidden': 'true' }, bar), h('ul', { class: 'meter-words' }, words)];
}

const percent = (part, whole) => `${Math.round((part / whole) * 100)} %`;
