/**
 * A call that another agent answers, with that agent's work inside: its task, its words as they arrive, its own calls.
 *
 * Rule 1: it is expanded while the agent works and collapsed once it has ended, until a person expands or collapses it.
 * Rule 2: what is unknown of a finished agent is read when the call is expanded, never before.
 */
import { inspectorAddress } from './addresses.js';
import { table } from './form_fields.js';
import { cost, textOf, total } from './format.js';
import { h, keyed, setText } from './dom.js';

/** Levels of sub-agents whose work is shown; deeper ones are links. */
const DEEPEST = 3;

/** The summary of a sub-agent's spending for the line of its call. */
export function spentBelow({ usage, cost_usd: usd, agent }) {
  if (usage) return cost(usd, usage);
  return total(agent?.usage) ? cost(agent.cost_usd, agent.usage) : '';
}

/**
 * Draws the body of a call. `node`: the call's `details`; `input`: the agent's input. `below`: {way, read}: the way down to the
 * calling session (`sub_views.js`), and a function that reads a finished sub-agent; `drawParts` as in `parts.js`.
 */
export function drawSubAgent(node, tool, input, { below, drawParts, unfold }) {
  const way = [...(below?.way ?? []), { call_id: tool.call_id, session_id: tool.session_id }];
  node.agent ??= makeBody(node);
  const parts = node.agent;
  parts.tool = tool;
  parts.read = below?.read && (() => below.read(way));
  if (!parts.byHand && !unfold) node.open = !tool.result;
  drawTask(parts.task, input);
  const shallow = way.length <= DEEPEST;
  const turns = shallow ? (tool.agent?.turns ?? []) : [];
  keyed(parts.work, turns.flatMap(shownOf), {
    key: ({ key }) => key,
    make: ({ message }) => h('div', { class: message.role === 'assistant' ? 'parts' : 'user' }),
    update: (one, { message, tools }) =>
      message.role === 'assistant' ? drawParts(one, message, tools, { below: { ...below, way } }) : setText(one, textOf(message)),
  });
  parts.work.hidden = !parts.work.firstChild;
  // Screen readers wait until it is finished instead of reading fragments.
  parts.work.setAttribute('aria-busy', String(!tool.result));
  drawResult(parts.result, tool, !parts.work.firstChild);
  setText(parts.note, noteOf(parts, shallow));
  parts.note.hidden = !parts.note.textContent;
  parts.link.href = inspectorAddress(tool.session_id);
  if (node.open) complete(parts);
}

function makeBody(node) {
  const [task, work, result] = ['task', 'work', 'work-result'].map((name) => h('div', { class: name }));
  const note = h('p', { class: 'faint small', role: 'status' });
  const link = h('a', {}, 'Open its session');
  const parts = { task, work, result, note, link, byHand: false, state: 'unread', error: null };
  node.firstChild.addEventListener('click', () => (parts.byHand = true));
  node.addEventListener('toggle', () => node.open && complete(parts));
  node.classList.add('agent');
  node.lastChild.replaceChildren(task, work, result, note, h('p', { class: 'small' }, link));
  return parts;
}

/** Reads what is missing of a finished sub-agent, and draws it as it arrives. */
async function complete(parts) {
  if (!parts.tool.result || parts.tool.agent?.closed || !parts.read || parts.state !== 'unread') return;
  parts.state = 'reading';
  try {
    await parts.read();
    parts.state = 'read';
  } catch (error) {
    Object.assign(parts, { state: 'failed', error });
  }
  setText(parts.note, noteOf(parts, true));
  parts.note.hidden = !parts.note.textContent;
}

function noteOf({ tool, work, state, error }, shallow) {
  if (!shallow || work.firstChild) return '';
  if (state === 'failed') return error?.status === 404 ? 'Its session is not here any more.' : (error?.message ?? '');
  if (state === 'reading') return 'Loading what it did';
  return tool.result ? '' : 'It has said nothing yet.';
}

/** The messages of one of its turns, without its task; the call's result says how the last turn ended. */
function shownOf(turn, index) {
  const messages = turn.messages.filter((message, at) => message.role === 'assistant' || index > 0 || at > 0);
  return messages.map((message) => ({ key: `${turn.id} ${message.key}`, message, tools: turn.tools }));
}

function drawTask(node, input) {
  const drawn = JSON.stringify(input ?? null);
  if (node.drawn === drawn) return;
  node.drawn = drawn;
  const { message, ...others } = typeof input === 'object' && input !== null ? input : { message: input };
  const rest = Object.keys(others).length ? table(others) : null;
  const said = message === undefined ? null : table({ task: message });
  node.replaceChildren(...[said, rest].filter(Boolean));
}

/** The result, unless the agent's own words already show it. */
function drawResult(node, { result }, alone) {
  node.replaceChildren();
  if (!result) return;
  const { output, is_error: failed } = result;
  if (failed) {
    const code = output?.type && h('code', {}, output.type);
    node.append(h('p', { class: 'tool-error' }, output?.message ?? 'It failed.', ' ', code ?? ''));
  } else if (alone && typeof output?.text === 'string') node.append(h('p', { class: 'long' }, output.text));
}

