/** Numbers, times and outcomes in words. Pure. */
import { isSaid } from '../view/notes.js';

/** Dollars, with as many digits as a small sum needs; null is an unknown price. `usage` says whether the sum is an estimate. */
export function cost(usd, usage) {
  if (usd === null || usd === undefined) return 'cost unknown';
  const sum = Math.max(0, usd);
  return `${about(usage)}$${sum.toFixed(sum === 0 || sum >= 1 ? 2 : sum >= 0.01 ? 3 : 4)}`;
}

export function tokens(count, usage) {
  return `${about(usage)}${count.toLocaleString('en')} ${count === 1 ? 'token' : 'tokens'}`;
}

/** Input in words: `1,234, 1,000 of them cached, 200 written to the cache`. */
export function inputTokens({ input_tokens: count, cached_tokens: cached, cache_write_tokens: written }) {
  const shares = [cached && `${cached.toLocaleString('en')} of them cached`, written && `${written.toLocaleString('en')} written to the cache`];
  return [(count ?? 0).toLocaleString('en'), ...shares].filter(Boolean).join(', ');
}

/** Output in words: `56, 10 of them reasoning`. */
export function outputTokens({ output_tokens: count, reasoning_tokens: reasoning }) {
  return [(count ?? 0).toLocaleString('en'), reasoning && `${reasoning.toLocaleString('en')} of them reasoning`].filter(Boolean).join(', ');
}

/** Why numbers of tokens and dollars begin with `≈`. */
export const ESTIMATED = 'Estimated, because the model server did not count all tokens';

const about = (usage) => (usage?.estimated ? '≈ ' : '');

/** Input and output tokens together. */
export function total(usage) {
  return (usage?.input_tokens ?? 0) + (usage?.output_tokens ?? 0);
}

export function duration(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return '';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

/** Time left until a question expires, in words. */
export function expiresIn(iso, now = Date.now()) {
  const minutes = Math.floor((Date.parse(iso) - now) / 60_000);
  if (minutes < 1) return minutes < 0 ? 'expires now' : 'expires in less than a minute';
  const [count, unit] =
    minutes < 60 ? [minutes, 'minute'] : minutes < 48 * 60 ? [Math.round(minutes / 60), 'hour'] : [Math.round(minutes / 1440), 'day'];
  return `expires in ${count} ${unit}${count === 1 ? '' : 's'}`;
}

/** The text of a message's text parts. */
export function textOf(message) {
  return (message?.parts ?? [])
    .filter((part) => part.type === 'text')
    .map((part) => part.text)
    .join('\n\n');
}

/** Of a session that the server says is none. `asks`: it asks people who they are, and hides from them what is not theirs. */
export const notHere = (asks) => `This session is not here any more${asks ? ', or is not yours' : ''}`;

/** What a session is called: the first words of its user; '' while there are none. */
export function titleOf({ turns }) {
  for (const { messages } of turns) {
    const said = messages.find(isSaid);
    if (said) return textOf(said).slice(0, 80);
  }
  return '';
}

/** A size in words. */
export function bytes(count) {
  if (count < 1000) return count === 1 ? '1 byte' : `${count} bytes`;
  return count < 1e6 ? `${Math.round(count / 1000)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

/** A problem as a sentence, where it is the end of one. */
export function sentence(text) {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

export function between(from, to) {
  return from && to ? Date.parse(to) - Date.parse(from) : null;
}

/** `14:02` for today, else `12 Mar`. */
export function when(iso, now = new Date()) {
  if (!iso) return '';
  const date = new Date(iso);
  const today = date.toDateString() === now.toDateString();
  if (today) return date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  return date.toLocaleDateString([], { day: 'numeric', month: 'short' });
}

export function fullTime(iso) {
  return iso ? new Date(iso).toLocaleString([], { dateStyle: 'medium', timeStyle: 'medium' }) : '';
}

const STOPS = {
  max_tokens: 'The answer was cut at the most tokens that the model may write.',
  refusal: 'The model declined to answer.',
  content_filter: 'The provider’s content filter cut the answer.',
  context_window: 'The conversation no longer fits the model’s context window.',
  pause: 'The model paused here.',
  repetition: 'The answer was cut because it repeated itself without end.',
  other: 'The answer ended for an unknown reason and may not be whole.',
};

/** Why an answer is incomplete, or null. */
export function stopNote(message) {
  return STOPS[message.stop] ?? null;
}

/** `provider/model` for people. The demo model goes by the name of what it stands in for, and is not that. */
export function modelName(model) {
  if (!model?.startsWith(DEMO)) return model ?? '';
  const other = model.slice(DEMO.length);
  return other && other !== 'demo' ? `Demo model, in place of ${other}` : 'Demo model';
}

/** `claude-sonnet-5-5` for `anthropic/claude-sonnet-5-5`. */
export function shortModel(model) {
  if (model?.startsWith(DEMO)) return 'Demo model';
  return model ? model.slice(model.indexOf('/') + 1) : 'model';
}

const DEMO = 'demo/';

export const STATUS = { idle: 'Idle', working: 'Working', waiting: 'Waiting for an answer', closed: 'Closed' };

export function temporalLink(temporalUi, workflowId) {
  if (!temporalUi || !workflowId) return null;
  return `${temporalUi.replace(/\/$/, '')}/namespaces/default/workflows/${encodeURIComponent(workflowId)}`;
}

/** JSON for people; a plain string stays unchanged. */
export function pretty(value) {
  return typeof value === 'string' ? value : (JSON.stringify(value, null, 2) ?? '');
}
