/** What a new chat shows before its first message: the agent, what it can do, and a form for its inputs. */
import { h } from '../shared/dom.js';
import { checkJson, valueOf } from '../shared/form_fields.js';
import { pretty } from '../shared/format.js';

/** Draws into `container`; `onPick(name)` when another agent is chosen. */
export function drawWelcome(container, agents, agent, onPick) {
  if (!agent) {
    container.replaceChildren(h('p', { class: 'faint' }, agents ? 'No agent is defined on this server.' : ''));
    return;
  }
  const title = h('h2', {}, 'Start a conversation');
  const promise = h(
    'p',
    { class: 'description' },
    'It goes on through reloads, restarts and crashes, and is still here next week.',
  );
  const tools = agent.tools?.length
    ? h(
        'ul',
        { class: 'chips', 'aria-label': 'Tools' },
        agent.tools.map((tool) => h('li', { title: tool.description }, tool.name)),
      )
    : null;
  const who = agents.length > 1 ? picker(agents, agent, onPick) : h('h3', {}, agent.name);
  const about = h('div', { class: 'about' }, who, agent.description ? h('p', {}, agent.description) : null, tools);
  const nodes = [title, promise, about, inputsForm(agent)];
  const typed = container.dataset.agent === agent.name ? [...container.querySelectorAll('[data-type]')] : [];
  container.dataset.agent = agent.name;
  container.replaceChildren(...nodes.filter(Boolean));
  typed.forEach((field) => keep(field, container));
}

/** What was typed outlives a change of the agents' files. */
function keep(field, container) {
  const now = container.querySelector(`[name="${CSS.escape(field.name)}"]`);
  if (now?.dataset.type !== field.dataset.type) return;
  now.value = field.value;
  now.checked = field.checked;
}

/** The values of the form in `container`, {} where there is none, or null where something required is missing. */
export function readInputs(container) {
  const form = container.querySelector('form');
  if (!form) return {};
  if (!form.reportValidity()) return null;
  const values = {};
  for (const field of form.querySelectorAll('[data-type]')) {
    if (field.dataset.type === 'boolean' || field.value !== '') values[field.name] = valueOf(field);
  }
  return values;
}

function picker(agents, agent, onPick) {
  const options = agents.map(({ name }) => h('option', { value: name, selected: name === agent.name }, name));
  const select = h('select', { id: 'agent', onchange: (event) => onPick(event.target.value) }, options);
  return h('div', { class: 'picker' }, h('label', { for: 'agent' }, 'Agent'), select);
}

function inputsForm(agent) {
  const inputs = Object.entries(agent.inputs ?? {});
  if (!inputs.length) return null;
  const legend = h('legend', {}, `What ${agent.name} needs to know`);
  return h(
    'form',
    { class: 'inputs', onsubmit: (event) => event.preventDefault() },
    h('fieldset', {}, legend, inputs.map(row)),
  );
}

function row([name, schema]) {
  const id = `input-${name}`;
  const label = h('label', { for: id }, schema.title ?? name.replaceAll('_', ' '));
  const about = schema.description && h('small', { id: `${id}-about` }, schema.description);
  const field = makeField(schema, {
    id,
    name,
    required: schema.default === undefined,
    'aria-describedby': about ? `${id}-about` : null,
  });
  return h('div', { class: 'row' }, label, field, about);
}

function makeField(schema, shared) {
  const given = schema.default;
  if (schema.enum) {
    const options = schema.enum.map((value) =>
      h('option', { value: pretty(value), selected: value === given }, String(value)),
    );
    // Only text needs no reading back: `"1"` and `1` would look alike.
    const type = schema.enum.every((value) => typeof value === 'string') ? 'string' : 'json';
    return h('select', { ...shared, data: { type } }, options);
  }
  if (schema.type === 'boolean')
    return h('input', {
      ...shared,
      required: false,
      type: 'checkbox',
      checked: given === true,
      data: { type: 'boolean' },
    });
  if (schema.type === 'number' || schema.type === 'integer') {
    const step = schema.type === 'integer' ? 1 : 'any';
    return h('input', {
      ...shared,
      type: 'number',
      step,
      min: schema.minimum,
      max: schema.maximum,
      value: given,
      data: { type: schema.type },
    });
  }
  if (schema.type === 'string')
    return h('input', { ...shared, type: 'text', value: given, autocomplete: 'off', data: { type: 'string' } });
  const area = h('textarea', { ...shared, rows: 3, placeholder: 'JSON', oninput: checkJson, data: { type: 'json' } });
  area.value = given === undefined ? '' : pretty(given);
  return area;
}
