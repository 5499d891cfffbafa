/**
 * The parts of a message as both pages show them: text, reasoning, tool calls with their results, files, data.
 *
 * Rule: a part keeps its node while it grows, so what a reader expanded stays expanded.
 */
import { h, icon, keyed, setText } from './dom.js';
import { duration, pretty } from './format.js';
import { renderMarkdown } from './markdown.js';
import { questionsBelow } from '../view/sub_views.js';
import { drawFiles, messageFile } from './files.js';
import { drawQuestions } from './questions.js';
import { readCall } from './known_calls.js';
import { drawRun, makeRun, withRuns } from './run_row.js';
import { drawSubAgent, spentBelow } from './sub_agents.js';
import { titleOfTool } from './tool_titles.js';

/**
 * Shows a message's parts in `container`; `tools` holds the turn's tool calls by `call_id`. `answer`: see `questions.js`;
 * `told`: the sub-agents' open questions according to a snapshot; `below`: see `sub_agents.js`; `runs`: see `run_row.js`.
 */
export function drawParts(container, message, tools = {}, { unfold = false, answer = null, told = null, below = null, runs = null } = {}) {
  const last = message.parts.length - 1;
  const items = message.parts
    .map((part, index) => ({
      part,
      index,
      growing: message.live === true && index === last,
      tool: tools[part.call_id],
      unfold,
      answer,
      told,
      below,
    }))
    .filter(({ part }) => part.type !== 'tool_result' && (part.type !== 'reasoning' || part.text));
  keyed(container, runs ? withRuns(items, runs) : items, { key: ({ part, index }) => `${index} ${part.type}`, make, update });
}

function make({ part, unfold }) {
  switch (part.type) {
    case 'run':
      return makeRun();
    case 'text':
      return h('div', { class: 'md' });
    case 'reasoning': {
      const label = h('summary', {}, icon('chevron'), h('span', { class: 'label' }));
      return h('details', { class: 'reasoning', open: unfold }, label, h('div', { class: 'md faint' }));
    }
    case 'tool_call':
      return h(
        'div',
        { class: 'tool-call' },
        h('details', { class: 'tool', open: unfold }, h('summary'), h('div', { class: 'tool-body' })),
        h('ul', { class: 'files' }),
        h('div', { class: 'questions' }),
      );
    case 'file':
      return h('ul', { class: 'files' }, h('li', {}, messageFile(part)));
    default:
      if (part.type === 'data' && part.name === 'timer' && typeof part.value?.note === 'string') {
        return h('p', { class: 'file woke' }, icon('clock'), h('span', { class: 'faint' }, 'Woke up:'), part.value.note);
      }
      return h('pre', { tabindex: 0 }, h('code', {}, pretty(part.value ?? part)));
  }
}

function update(node, item) {
  const { part, growing, tool } = item;
  if (part.type === 'run') return drawRun(node, part);
  node.hidden = item.folded === true;
  const drawn = node.drawnItem;
  if (drawn && drawn.part === part && drawn.growing === growing && drawn.tool === tool && drawn.told === item.told && drawn.answer === item.answer) return;
  node.drawnItem = item;
  if (part.type === 'text') {
    renderMarkdown(node, part.text, { growing });
    node.classList.toggle('growing', growing);
  } else if (part.type === 'reasoning') {
    setText(node.querySelector('.label'), growing ? 'Thinking' : 'Thoughts');
    node.classList.toggle('busy', growing);
    renderMarkdown(node.lastChild, part.text, { growing });
  } else if (part.type === 'tool_call') {
    // Questions from further down are shown at the call of this session that they block, where they can be answered.
    const asked = item.answer ? questionsBelow(tool, item.told ?? []) : [];
    drawTool(node.firstChild, item, asked.some((one) => one.state === 'open'));
    drawFiles(node.children[1], tool?.result, part.name || tool?.name || 'the tool');
    drawQuestions(node.lastChild, tool, item.answer, asked);
  }
}

const STATES = {
  writing: { word: 'Preparing', mark: null },
  waiting: { word: 'Waiting', mark: 'clock' },
  asking: { word: 'Waits for an answer', mark: 'clock' },
  allowed: { word: 'Allowed', mark: 'clock' },
  running: { word: 'Running', mark: null },
  done: { word: 'Done', mark: 'check' },
  failed: { word: 'Failed', mark: 'cross' },
  stopped: { word: 'Stopped', mark: 'stop' },
  unrun: { word: 'Did not run', mark: 'cross' },
};

/** A call that was not allowed has failed without running. */
function unrun(tool) {
  const refused = tool?.questions?.some((one) => one.kind === 'approval' && one.state !== 'open' && one.state !== 'approved');
  return tool?.state === 'failed' && refused ? 'unrun' : null;
}

function drawTool(node, item, isAsked) {
  const { part, tool, growing } = item;
  const known = tool?.state ?? (growing || part.args === undefined ? 'writing' : 'waiting');
  const state = known === 'running' && (isAsked || asksWithin(tool.agent)) ? 'asking' : known;
  const { word, mark } = STATES[unrun(tool) ?? state];
  const written =
    part.args_raw ??
    part.args_text ??
    (part.args && Object.keys(part.args).length ? part.args : (tool?.args ?? part.args));
  const input = tool?.edited ? tool.args : written;
  const { message, fraction } = (state === 'running' && tool.progress) || {};
  const tries = tool?.attempts > 1 && `${tool.attempts} attempts`;
  const took = [tool?.duration_ms ? duration(tool.duration_ms) : '', tries, tool?.session_id && spentBelow(tool)]
    .filter(Boolean)
    .join(', ');
  node.dataset.state = state;
  const name = part.name || tool?.name;
  const read = readCall(name, input, tool?.state === 'done' ? tool.result?.output : undefined);
  const hint = errorOf(tool) ?? message ?? read?.hint;
  const shown = [
    h('span', { class: 'state-mark' }, mark ? icon(mark) : h('span', { class: 'spinner' })),
    h('span', { class: 'tool-name', title: name }, titleOfTool(name)),
    h('span', { class: hint ? 'tool-hint words' : 'tool-hint', dir: 'auto' }, hint ?? oneLine(tool?.session_id ? (input?.message ?? input) : input)),
    fraction != null && h('progress', { max: 1, value: fraction, 'aria-label': 'Progress' }),
    h('span', { class: 'tool-state' }, took ? `${word}, ${took}` : word),
    icon('chevron'),
  ];
  node.firstChild.replaceChildren(...shown.filter(Boolean));
  if (tool?.session_id) return drawSubAgent(node, { ...tool, call_id: part.call_id }, input, { ...item, drawParts });
  const changed = tool?.edited ? section('Input as the model wrote it', written ?? {}) : [];
  // Where a step is shown in full, so is its call, as it was made.
  if (read && !item.unfold) return node.lastChild.replaceChildren(...read.body, ...(tool?.state === 'failed' ? output(tool) : []));
  const called = h('p', { class: 'called' }, h('code', {}, name ?? ''));
  node.lastChild.replaceChildren(called, ...section('Input', input ?? {}), ...changed, ...output(tool));
}

/** Why the call failed, for its row; null where it did not. */
function errorOf(tool) {
  const message = tool?.state === 'failed' ? tool.result?.output?.message : null;
  return typeof message === 'string' && message ? message.slice(0, 200) : null;
}

/** Whether the agent, or one further down, has an open question. */
function asksWithin(agent) {
  return agent?.turns.some((turn) => Object.values(turn.tools).some((tool) => tool.state === 'asking' || asksWithin(tool.agent)));
}

function output(tool) {
  if (!tool?.result) return [];
  const { output: value, is_error: failed } = tool.result;
  if (!failed || typeof value?.message !== 'string') return section('Output', value);
  const kind = h('code', {}, value.type);
  const more = value.content ? section('Beside it', value.content) : [];
  return [h('p', { class: 'title' }, 'Output'), h('p', { class: 'tool-error' }, value.message, ' ', kind), ...more];
}

function section(title, value) {
  return [h('p', { class: 'title' }, title), h('pre', { tabindex: 0, 'aria-label': title }, h('code', {}, pretty(value)))];
}

function oneLine(input) {
  if (typeof input === 'string' || !input) return (input ?? '').slice(0, 200);
  const show = (value) => (typeof value === 'string' ? value : JSON.stringify(value));
  const entries = Object.entries(input);
  return (
    entries.length === 1 ? show(entries[0][1]) : entries.map(([key, value]) => `${key}: ${show(value)}`).join(', ')
  ).slice(0, 200);
}
