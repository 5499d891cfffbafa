/**
 * JSON values as people read and write them: a table of names and values, and forms that return values.
 *
 * Rule: a form returns values of the types that it was made for, or shows an error at the field and returns null.
 */
import { h } from './dom.js';
import { pretty } from './format.js';

/** Longer texts are collapsed. */
const LONG = 280;
const CHOICES_IN_SIGHT = 4;

let made = 0;

/** An object as rows of names and values. */
export function table(values) {
  const rows = Object.entries(values ?? {}).map(([name, value]) =>
    h('div', {}, h('dt', {}, words(name)), h('dd', {}, shown(value))),
  );
  return rows.length ? h('dl', { class: 'values' }, rows) : h('p', { class: 'faint' }, 'No arguments');
}

/** A form over an object's own values. → {node, read()}; `read` returns the object, or null if a value is invalid. */
export function valuesForm(values) {
  const entries = Object.entries(values);
  // There are no fields to derive a form from: edit the whole as JSON.
  if (!entries.length) {
    const area = jsonArea('{}');
    return { node: row('arguments', area), read: () => (usable([area]) ? JSON.parse(area.value || '{}') : null) };
  }
  const fields = entries.map(([name, value]) => [name, valueField(value)]);
  const read = () =>
    usable(fields.map(([, field]) => field))
      ? Object.fromEntries(fields.map(([name, field]) => [name, valueOf(field)]))
      : null;
  return { node: h('div', { class: 'fields' }, fields.map(([name, field]) => row(name, field))), read };
}

/** The form of `ask_user`: `fields` from the model, [{name, label, type, options, required}]; none: a single text. */
export function askForm(fields, prompt) {
  const known = (Array.isArray(fields) ? fields : []).filter((field) => typeof field?.name === 'string');
  if (!known.length) {
    const area = h('textarea', { rows: 2, required: true, 'aria-label': prompt || 'Answer', name: 'answer' });
    area.dataset.type = 'string';
    return { node: h('div', { class: 'fields' }, area), read: () => (usable([area]) ? { answer: area.value } : null) };
  }
  const asked = known.map((field) => ({ field, ...askField(field) }));
  const read = () => {
    if (!asked.every(({ inputs }) => usable(inputs))) return null;
    const given = asked.map(({ field, value }) => [field.name, value()]).filter(([, value]) => value !== undefined);
    return Object.fromEntries(given);
  };
  return { node: h('div', { class: 'fields' }, asked.map(({ node }) => node)), read };
}

/** The form for a flat JSON Schema, as MCP servers send it; null if the schema is not flat. */
export function schemaForm({ properties = {}, required = [] }, prompt) {
  const fields = Object.entries(properties).map(([name, of]) => ({
    ...{ name, label: of.title, type: typeOf(of), required: required.includes(name) },
    options: of.enum ?? of.oneOf?.map((choice) => choice.const),
    ...{ integer: of.type === 'integer', min: of.minimum, max: of.maximum },
  }));
  if (!fields.every(({ type }) => type)) return null;
  return fields.length ? askForm(fields, prompt) : { node: h('div', {}), read: () => ({}) };
}

/** The form for a tool's `output` schema; null where it has none, or one that no form can ask for. */
export function outputForm(output, prompt) {
  if (output?.type === 'object') return Object.keys(output.properties ?? {}).length ? schemaForm(output, prompt) : null;
  if (!output || !typeOf(output)) return null;
  // One value by itself.
  const form = schemaForm({ properties: { answer: { title: prompt, ...output } }, required: ['answer'] }, prompt);
  return { node: form.node, read: () => form.read()?.answer ?? null };
}

/** Shows an error at the field that `path` (`args.amount`) names; → whether there is such a field. */
export function complain(form, path, message) {
  const name = path.split(/[.[]/)[1];
  const field = [...form.querySelectorAll('[name]')].find((one) => one.name === name || one.dataset.name === name);
  if (!field) return false;
  field.setCustomValidity(message);
  field.addEventListener('input', () => field.setCustomValidity(''), { once: true });
  field.reportValidity();
  return true;
}

/** A field's value, converted by its `data-type`. */
export function valueOf(field) {
  const { type } = field.dataset;
  if (type === 'boolean') return field.checked;
  if (type === 'number' || type === 'integer') return Number(field.value);
  return type === 'string' ? field.value : JSON.parse(field.value);
}

export function checkJson({ target }) {
  try {
    if (target.value) JSON.parse(target.value);
    target.setCustomValidity('');
  } catch (error) {
    target.setCustomValidity(`This is not JSON: ${error.message}`);
  }
}

/** Formats of text that browsers have a field for, by the name of its kind. */
const FORMATS = { date: 'date', time: 'time', 'date-time': 'datetime-local', email: 'email', uri: 'url' };

function typeOf({ type, format, enum: values, oneOf }) {
  if (type === 'string' && (values || oneOf)) return 'choice';
  if (type === 'string') return FORMATS[format] ?? 'text';
  return { integer: 'number', number: 'number', boolean: 'boolean' }[type] ?? null;
}

const KINDS = new Set(['number', ...Object.values(FORMATS)]);

/** A time of day that somebody picks is one of where they are; the schema's format asks for its zone. */
function valueIn(field, kind) {
  if (kind === 'number') return Number(field.value);
  return kind === 'datetime-local' ? new Date(field.value).toISOString() : field.value;
}

function askField({ name, label, type = 'text', options = [], required = false, integer = false, min, max }) {
  const shared = { name, required };
  const text = label || words(name);
  const one = (field, value) => ({ node: row(text, field, required), inputs: [field], value });
  if (type === 'boolean') return choices(text, name, ['Yes', 'No'], required, (picked) => picked === 'Yes');
  if (type === 'choice' && options.length) {
    if (options.length <= CHOICES_IN_SIGHT) return choices(text, name, options, required, (picked) => picked);
    const list = [h('option', { value: '' }, ''), ...options.map((option) => h('option', { value: option }, option))];
    const select = h('select', shared, list);
    return one(select, () => select.value || undefined);
  }
  const kind = KINDS.has(type) ? type : 'text';
  const field = h('input', { ...shared, type: kind, step: kind === 'number' ? (integer ? 1 : 'any') : null, min, max, autocomplete: 'off', dir: kind === 'text' ? 'auto' : null });
  return one(field, () => (field.value === '' ? undefined : valueIn(field, kind)));
}

function choices(label, name, options, required, read) {
  const group = `choice-${made++}`;
  const inputs = options.map((option) => {
    const input = h('input', { type: 'radio', name: group, value: option, required });
    input.dataset.name = name;
    return input;
  });
  const picks = inputs.map((input, index) => h('label', { class: 'pick' }, input, ' ', options[index]));
  const node = h('fieldset', { class: 'choices' }, h('legend', {}, label, mark(required)), h('div', {}, picks));
  const value = () => {
    const picked = inputs.find((input) => input.checked);
    return picked && read(picked.value);
  };
  return { node, inputs, value };
}

function valueField(value) {
  if (typeof value === 'boolean') return h('input', { type: 'checkbox', checked: value, data: { type: 'boolean' } });
  if (typeof value === 'number')
    return h('input', { type: 'number', step: 'any', required: true, value, data: { type: 'number' } });
  if (typeof value !== 'string') return jsonArea(pretty(value));
  if (value.length <= 60 && !value.includes('\n'))
    return h('input', { type: 'text', value, autocomplete: 'off', data: { type: 'string' } });
  const rows = Math.min(12, Math.max(4, value.split('\n').length + 1, Math.ceil(value.length / 70)));
  return beginning(h('textarea', { rows, data: { type: 'string' } }), value);
}

function jsonArea(text) {
  const rows = Math.min(12, text.split('\n').length + 1);
  const props = { rows, required: true, spellcheck: 'false', oninput: checkJson, data: { type: 'json' } };
  const area = h('textarea', { ...props, class: 'json' });
  return beginning(area, text);
}

/** Shows a long text from its beginning. */
function beginning(area, text) {
  area.value = text;
  area.setSelectionRange(0, 0);
  return area;
}

function row(name, field, required = false) {
  field.id = `field-${made++}`;
  field.name ||= name;
  return h('div', { class: 'row' }, h('label', { for: field.id }, words(name), mark(required)), field);
}

const mark = (required) => (required ? h('span', { class: 'required', 'aria-hidden': 'true' }, ' *') : null);
/** A field's name as people read it. */
export const words = (name) => name.replaceAll('_', ' ');
const usable = (fields) => fields.every((field) => field.reportValidity());

function shown(value) {
  if (typeof value === 'object' && value !== null) return folded(pretty(value), true);
  return typeof value === 'string' ? folded(value, false) : String(value);
}

function folded(text, code) {
  const whole = code ? h('pre', { tabindex: 0 }, h('code', {}, text)) : h('span', { class: 'long', tabindex: text.length > LONG ? 0 : null }, text);
  if (text.length <= LONG && text.split('\n').length <= 8) return whole;
  const start = text.slice(0, LONG / 2).split('\n').slice(0, 3).join('\n');
  const size = `${text.length.toLocaleString('en')} characters`;
  return h('details', { class: 'folded' }, h('summary', {}, h('span', { class: 'long' }, `${start}…`), h('small', {}, size)), whole);
}
