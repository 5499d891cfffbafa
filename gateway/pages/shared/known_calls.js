/**
 * Calls of the session's own tools as people read them: a question with its answer, and a to-do list.
 *
 * Rule: what has another shape than these tools take and give is not read here, and shows as any call does.
 */
import { h } from './dom.js';
import { words } from './form_fields.js';
import { linked } from './links.js';
import { howFar, todoList } from './todo_list.js';

/** `input`: a call's arguments, `output`: what it gave, undefined while there is nothing. → {hint, body: nodes}; null: any other call. */
export function readCall(name, input, output) {
  if (name === 'ask_user') return asked(input, output);
  return name === 'todo' ? listed(input, output) : null;
}

function listed(input, output) {
  const items = output?.items ?? input?.items;
  if (!Array.isArray(items) || !items.every((one) => typeof one?.text === 'string' && typeof one.status === 'string')) return null;
  if (!items.length) return { hint: 'empty', body: [h('p', { class: 'faint' }, 'The list is empty.')] };
  return { hint: howFar(items), body: [todoList(items)] };
}

function asked(input, output) {
  const { prompt, fields = [] } = input ?? {};
  if (typeof prompt !== 'string' || !Array.isArray(fields) || !fields.every((one) => typeof one?.name === 'string')) return null;
  const given = isObject(output) ? output : null;
  const table = given ? answerTable(fields, given, { whole: true }) : fields.length > 0 && rows(fields, wanted);
  return { hint: prompt, body: [h('p', { class: 'asked-for', dir: 'auto' }, linked(prompt)), table].filter(Boolean) };
}

/** An answer to `ask_user` by the labels of its form. `whole`: with what was left out. */
export function answerTable(fields, given, { whole = false } = {}) {
  const known = Array.isArray(fields) && fields.length ? fields : [{ name: 'answer' }];
  return rows(whole ? known : known.filter(({ name }) => name in given), ({ name }) => said(given[name]));
}

function rows(fields, shown) {
  const row = (field) => h('div', {}, h('dt', { dir: 'auto' }, field.label || words(field.name)), h('dd', { dir: 'auto' }, shown(field)));
  return h('dl', { class: 'values labelled' }, fields.map(row));
}

/** A value of the answer. */
function said(value) {
  if (value === undefined || value === null) return h('span', { class: 'faint' }, 'left out');
  if (typeof value === 'boolean') return value ? 'Yes' : 'No';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What a field of the form takes. */
function wanted({ type, options }) {
  const takes = { number: 'a number', boolean: 'yes or no', date: 'a date' }[type] ?? 'a text';
  return h('span', { class: 'faint' }, type === 'choice' && Array.isArray(options) && options.length ? options.join(' or ') : takes);
}

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
