/** What is new in a prompt against the step before, as nodes: `prompt_changes.js` drawn. Signs and words say it, not colours alone. */
import { h } from '../shared/dom.js';
import { modelName, pretty } from '../shared/format.js';
import { linesOf } from './lines.js';
import { drawMessage, drawTool, fold } from './prompt.js';
import { changesOf } from './prompt_changes.js';

/** Lines that stay the same are shown around a change, and not beyond that. */
const AROUND = 2;
/** More messages are drawn only when they are asked for. */
const MANY = 12;

/** Draws into `node`; `before`: {state, step, error}, see `step_detail.js`. */
export function drawChanges(node, step, before) {
  const { state, step: old = null } = before;
  const drawn = [state, old?.request_sha256, old?.step_id, step.step_id, step.request_sha256].join();
  if (node.drawn === drawn) return;
  node.drawn = drawn;
  const title = h('h3', {}, old ? `New in the prompt since step ${old.step_id}` : 'New in the prompt');
  node.replaceChildren(title, ...(old ? compared(old, step) : [h('p', { class: 'faint' }, words(before))]));
}

function words({ state, error }) {
  if (state === 'first') return 'All of it: this is the first step that the session keeps.';
  if (state === 'failed') return `The step before could not be read. ${error}`;
  return 'Loading the step before…';
}

function compared(old, step) {
  if (!old.prompt || !step.prompt) return [h('p', { class: 'faint' }, 'The definition of one of the two is no longer kept.')];
  const changes = changesOf(old, step);
  const { model, system, tools, examples, output, added, removed, changed } = changes;
  const nodes = [
    model && item('changed', 'Model', `${modelName(model[0])} → ${modelName(model[1])}`),
    system && item('changed', 'Instructions', drawLines(system)),
    ...tools.added.map((tool) => item('added', 'Tool', fold(tool.name, 'new', () => [drawTool(tool)], false))),
    ...tools.removed.map(({ name }) => item('removed', 'Tool', h('code', {}, name))),
    ...tools.changed.map(({ name, lines }) => item('changed', 'Tool', fold(name, 'changed', () => [drawLines(lines)], false))),
    examples && item('changed', 'Examples', 'They are others than before.'),
    output && item('changed', 'Form of the answer', drawLines(linesOf(pretty(old.prompt.output ?? 'text'), pretty(step.prompt.output ?? 'text')))),
    ...removedMessages(removed),
    ...changed.map((one) => item('changed', 'Message', fold(one.message.id, 'says something else now', () => [drawMessage(one.before), drawMessage(one.message)], false))),
    ...addedMessages(added),
    h('p', { class: 'faint small' }, unchanged(changes)),
  ];
  return nodes.filter(Boolean);
}

function addedMessages(messages) {
  if (messages.length <= MANY) return messages.map((message) => item('added', 'Message', drawMessage(message)));
  return [item('added', 'Messages', fold(`${messages.length} messages`, 'new', () => messages.map((one) => drawMessage(one)), false))];
}

function removedMessages(messages) {
  if (!messages.length) return [];
  const words = `${messages.length} ${messages.length === 1 ? 'message' : 'messages'}`;
  return [item('removed', 'Messages', fold(words, 'not given any more', () => messages.map((one) => drawMessage(one)), false))];
}

const SIGNS = { added: ['+', 'Added'], removed: ['−', 'Removed'], changed: ['±', 'Changed'] };

function item(kind, what, content) {
  const [sign, word] = SIGNS[kind];
  const label = h('p', { class: 'change-label' }, h('span', { class: 'sign', 'aria-hidden': 'true' }, sign), `${word}: ${what.toLowerCase()}`);
  return h('div', { class: `change ${kind}` }, label, h('div', { class: 'change-body' }, content));
}

function unchanged({ system, tools, same, model, added }) {
  const kept = [
    same > 0 && `${same} ${same === 1 ? 'message' : 'messages'}`,
    !system && 'the instructions',
    tools.same > 0 && `${tools.same} ${tools.same === 1 ? 'tool' : 'tools'}`,
    !model && 'the model',
  ].filter(Boolean);
  const none = added.length === 0 ? 'No message was added. ' : '';
  return `${none}The same as before: ${kept.join(', ') || 'nothing'}.`;
}

/** Lines with their signs; long runs of the same are left out. */
function drawLines(lines) {
  const near = (index) => lines.slice(Math.max(0, index - AROUND), index + AROUND + 1).some(({ kind }) => kind !== 'same');
  const nodes = [];
  lines.forEach(({ kind, text }, index) => {
    if (kind === 'same' && !near(index)) {
      if (nodes.at(-1)?.className !== 'line left') nodes.push(h('span', { class: 'line left' }, '⋯'));
      return;
    }
    const tag = { added: 'ins', removed: 'del', same: 'span' }[kind];
    nodes.push(h(tag, { class: `line ${kind}`, dir: 'auto' }, `${{ added: '+ ', removed: '− ', same: '  ' }[kind]}${text}`));
  });
  return h('pre', { class: 'lines', tabindex: 0 }, nodes);
}
