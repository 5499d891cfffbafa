/**
 * A turn as rows of bars on one axis: each wait, model call and tool call, and when it happened. Pure.
 *
 * Rule: all times come from the events; only what is still running is drawn up to `now`.
 */
import { stepNumber } from '../view/ids.js';
import { questionKey, questionsBelow } from '../view/sub_views.js';
import { duration, modelName, shortModel, total } from '../shared/format.js';
import { limitName } from '../shared/limits.js';
import { becameOf } from '../shared/outcomes.js';

/** Shorter pauses, in milliseconds, are normal overhead and get no bar. */
const SHORTEST_WAIT = 60;
const NO_STEP = { step_id: null };

/**
 * `traced`: steps of the trace by message id, for turns whose events are no longer stored; `heard`: when the first token of a step
 * that runs was heard, by its id.
 * → {start, end, rows}: rows {key, kind: 'wait'|'model'|'tool'|'ask', label, note, stepId, callId, state, error, tokens, estimated, cost, session,
 * segments, waits}, `session`: of the sub-agent that answers a call; `error`: why a call failed; segments {from, to, kind, title}; `waits`:
 * when a tool that ran was waiting for a person, [{from, to}]. All times are milliseconds since 1970.
 */
export function rowsOf(turn, { traced, heard, now }) {
  const steps = turn.messages
    .map((message) => (message.step_id ? message : traced.get(message.id)))
    .filter((step) => step?.started_at);
  const spans = [];
  const rows = steps.flatMap((step) => {
    const tools = Object.entries(turn.tools).filter(([callId]) => callId.startsWith(`${step.step_id}.`));
    return [
      modelRow(step, turn, heard, now),
      ...tools.flatMap(([callId, tool]) => callRows(callId, tool, step, traced, now)),
    ];
  });
  // What belongs to no step: limits that ask, a rewind that asks, and the calls that it takes back.
  const apart = Object.entries(turn.tools).filter(([callId]) => !steps.some(({ step_id: id }) => callId.startsWith(`${id}.`)));
  rows.push(
    ...apart.flatMap(([callId, tool]) => callRows(callId, tool, NO_STEP, traced, now)),
    ...(turn.questions ?? []).filter((one) => one.asked_at).map((one) => askRow(one, {}, NO_STEP, now)),
  );
  for (const row of rows) spans.push({ from: row.segments[0].from, to: row.segments.at(-1).to });
  const asked = Date.parse(turn.messages.find((message) => message.role === 'user')?.at ?? turn.started_at);
  const began = Date.parse(turn.started_at ?? steps[0]?.started_at ?? turn.messages[0]?.at);
  const ended =
    Date.parse(turn.finished_at ?? '') ||
    Math.max(turn.status === 'running' ? now : began, ...spans.map((span) => span.to));
  const start = Math.min(asked || began, began);
  const waits = gaps(start, began, ended, spans);
  if (waits.length)
    rows.unshift({ key: 'waits', kind: 'wait', label: 'Waits', segments: waits, stepId: null, state: 'done' });
  return { start, end: Math.max(ended, start + 1), rows };
}

function modelRow(step, turn, heard, now) {
  const from = Date.parse(step.started_at);
  const to = step.finished_at ? Date.parse(step.finished_at) : turn.status === 'running' ? now : from;
  const segments = [];
  if (step.timing) {
    // Times of the trace are the workflow's; `timing` covers the provider's stream alone, and ends with the step.
    const asked = Math.max(from, to - step.timing.total_ms);
    const first = Math.min(to, asked + (step.timing.first_token_ms ?? step.timing.total_ms));
    segments.push(
      { from, to: asked, kind: 'wait', title: `Before the request: ${duration(asked - from)}` },
      { from: asked, to: first, kind: 'first', title: `To the first token: ${duration(first - asked)}` },
      { from: first, to, kind: 'stream', title: `Writing: ${duration(to - first)}` },
    );
  } else if (step.live) segments.push(...liveSegments(step, from, to, heard));
  else segments.push({ from, to, kind: 'stream', title: `Took ${duration(to - from)}` });
  const tries = step.attempt > 1 ? `attempt ${step.attempt}` : '';
  const note = `step ${stepNumber(step.step_id)}`;
  const shared = { key: step.step_id, kind: 'model', stepId: step.step_id, segments, note, tries };
  const state = step.live || step.status === 'running' ? 'running' : step.stop === 'error' ? 'failed' : 'done';
  return {
    ...shared,
    label: shortModel(step.model),
    title: modelName(step.model),
    state,
    tokens: step.usage ? total(step.usage) : null,
    estimated: step.usage?.estimated,
    cost: step.cost_usd,
    priced: !!step.usage,
  };
}

/** Of a step that runs: until its first token comes, it waits. */
function liveSegments({ step_id: id, parts }, from, to, heard) {
  const silent = !parts?.length;
  const first = silent ? to : Math.min(to, Math.max(from, heard.get(id) ?? from));
  const word = silent ? 'Waits for the first token' : 'To the first token';
  const waiting = { from, to: first, kind: silent ? 'first running' : 'first', title: `${word}: ${duration(first - from)}` };
  return silent ? [waiting] : [waiting, { from: first, to, kind: 'stream running', title: `Writing: ${duration(to - first)}` }];
}

/**
 * A call's own bar, and one for each time that it waited for a person. A client tool only waits; a question from a tool's server,
 * which has a schema of its own, is asked while the tool runs. A sub-agent's waits are below its call, as far as they are known.
 */
function callRows(callId, tool, step, traced, now) {
  const questions = tool.questions ?? [];
  const below = questionsBelow(tool).filter((one) => one.asked_at);
  const asks = questions.filter((one) => one.asked_at).map((one) => askRow(one, tool, step, now));
  const isClient = questions[0]?.kind === 'input' && ['result', 'fields'].includes(questions[0].form);
  const own = (isClient && asks.length) || (!tool.started_at && tool.state === 'asking') ? null : toolRow(callId, tool, step, traced, now);
  const deep = below.map((one) => askRow(one, one, step, now));
  if (own) own.waits = [...asks, ...deep].flatMap((row) => row.segments);
  return [...asks, own, ...deep].filter(Boolean);
}

function askRow(question, tool, step, now) {
  const from = Date.parse(question.asked_at);
  const to = question.state === 'open' ? now : Date.parse(question.settled_at ?? question.asked_at);
  const words = becameOf(question, tool.edited);
  const segments = [{ from, to, kind: 'ask', title: `${words}: ${duration(to - from)}` }];
  const asker = question.kind === 'budget' ? limitName(question.scope, question.limit) : question.name;
  const name = [...(question.agents?.slice(1) ?? []), asker].join(' › ');
  const label = question.kind === 'approval' ? `${name}?` : name;
  const shared = { key: questionKey(question), kind: 'ask', stepId: step.step_id, segments };
  return { ...shared, label, note: words, title: `${name}: ${words}`, deep: Boolean(question.agents), state: 'done' };
}

function toolRow(callId, tool, step, traced, now) {
  const kept = traced.get(step.step_id)?.tools?.find((one) => one.call_id === callId);
  const { started_at: startedAt, duration_ms: took, attempts, session_id: session } = { ...kept, ...definedOf(tool) };
  const known = startedAt ?? step.finished_at;
  if (!known) return null;
  const from = Date.parse(known);
  const to = took != null ? from + took : tool.state === 'running' ? now : from;
  const kind = tool.state === 'running' ? 'call running' : tool.state === 'failed' ? 'call failed' : 'call';
  const segments = [{ from, to, kind, title: `${tool.name}: ${duration(to - from)}` }];
  const tries = attempts > 1 ? `${attempts} attempts` : '';
  const said = tool.state === 'running' ? tool.progress : null;
  const share = said?.fraction == null ? '' : `${Math.round(said.fraction * 100)} %`;
  const note = [share, said?.message].filter(Boolean).join(' ');
  const spent = tool.usage && { tokens: total(tool.usage), estimated: tool.usage.estimated, cost: tool.cost_usd, priced: true };
  const shared = { key: callId, callId, kind: 'tool', label: tool.name, note, tries, stepId: step.step_id, state: tool.state, segments };
  const error = tool.state === 'failed' ? wordsOf(tool.result?.output) : null;
  return { ...shared, error, session, ...spent };
}

/** Why a call failed, from its result. */
function wordsOf(output) {
  if (typeof output === 'string') return output;
  return [output?.message, output?.type && `(${output.type})`].filter(Boolean).join(' ') || 'It failed.';
}

const definedOf = (tool) => Object.fromEntries(Object.entries(tool).filter(([, value]) => value != null));

function gaps(start, began, ended, spans) {
  const waits =
    began - start >= SHORTEST_WAIT
      ? [{ from: start, to: began, kind: 'wait', title: `Queued: ${duration(began - start)}` }]
      : [];
  let until = began;
  for (const { from, to } of [...spans, { from: ended, to: ended }].sort((a, b) => a.from - b.from)) {
    if (from - until >= SHORTEST_WAIT)
      waits.push({ from: until, to: from, kind: 'wait', title: `Between: ${duration(from - until)}` });
    until = Math.max(until, to);
  }
  return waits;
}
