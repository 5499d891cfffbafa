/** What a new chat shows before its first message: the agents, what the picked one can do, first messages for it, and a form for its inputs. */
import { h, icon } from '../shared/dom.js';
import { checkJson, valueOf } from '../shared/form_fields.js';
import { pretty } from '../shared/format.js';

/** Draws into `container`; `onPick(name)` when another agent is chosen, `onStart(text)` when a first message is. */
export function drawWelcome(container, agents, agent, { onPick, onStart }) {
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
  const who = agents.length > 1 ? picker(agents, agent, onPick) : alone(agent);
  const nodes = [title, promise, who, inputsForm(agent), starters(agent, onStart), tools(agent)];
  // Whoever reads about the tools of one agent goes on with those of the next.
  const unfolded = container.querySelector('.tools')?.open;
  const typed = container.dataset.agent === agent.name ? [...container.querySelectorAll('[data-type]')] : [];
  container.dataset.agent = agent.name;
  container.replaceChildren(...nodes.filter(Boolean));
  if (unfolded) container.querySelector('.tools')?.setAttribute('open', '');
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

function alone({ name, description }) {
  return h('div', { class: 'about' }, h('h3', {}, name), description ? h('p', { dir: 'auto' }, description) : null);
}

/** Cards, one of which is picked; arrow keys go between them. */
function picker(agents, agent, onPick) {
  const mixed = agents.some(({ demo }) => !demo);
  const card = ({ name, description, demo }) => {
    const told = `agent-${name}-about`;
    const checked = name === agent.name;
    const pick = () => onPick(name);
    const props = { type: 'radio', name: 'agent', value: name, checked, onchange: pick };
    const radio = h('input', { ...props, 'aria-label': name, 'aria-describedby': description ? told : null });
    const about = description && h('span', { class: 'told', id: told, dir: 'auto' }, description);
    const badge = mixed && demo && h('span', { class: 'badge demo' }, 'Demo model');
    return h('div', { class: 'agent-card' }, radio, h('span', { class: 'called' }, name), badge, about);
  };
  return h('fieldset', { id: 'agent', class: 'agent-cards' }, h('legend', { class: 'hidden' }, 'Agent'), agents.map(card));
}

function starters({ starters: texts = [] }, onStart) {
  if (!texts.length) return null;
  const card = (text) =>
    h('li', {}, h('button', { type: 'button', class: 'starter', dir: 'auto', onclick: () => onStart(text) }, h('span', {}, text), icon('send')));
  return h('ul', { class: 'starters', 'aria-label': 'Start with' }, texts.map(card));
}

function tools({ tools: known = [] }) {
  if (!known.length) return null;
  const row = ({ name, description }) => [h('dt', {}, name), h('dd', { dir: 'auto' }, description)];
  const count = `${known.length} ${known.length === 1 ? 'tool' : 'tools'} at hand`;
  return h('details', { class: 'tools' }, h('summary', {}, icon('chevron'), count), h('dl', {}, known.flatMap(row)));
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
