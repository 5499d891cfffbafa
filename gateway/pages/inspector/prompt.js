/** The prompt of a step as it was sent: to read, and raw. Also what of the conversation the model was not given. */
import { isSummary } from '../view/ids.js';
import { h, icon } from '../shared/dom.js';
import { pretty } from '../shared/format.js';
import { link } from '../shared/links.js';
import { cacheMarks } from './cache_marks.js';

/** A longer message list is drawn only when it is expanded. */
const LONG = 30;

/** `show(stepId)` shows another step: that of a summary. */
export function drawPrompt(container, { prompt, request }, show) {
  const { system, examples = [], messages = [], tools = [], output } = prompt ?? {};
  const without = new Set(prompt?.shortened);
  const marks = cacheMarks(request);
  const nodes = [
    h('h3', { class: 'prompt-title' }, 'The prompt as it was sent'),
    prompt === null && h('p', { class: 'faint' }, 'The session no longer keeps the definition that this step ran with.'),
    prompt && notGiven(prompt, show),
    marks.length > 0 && h('p', { class: 'faint small' }, `Marks for the provider’s cache: ${marks.join(', ')}.`),
    fold(
      'System',
      system ? `${system.length.toLocaleString('en')} characters` : 'none',
      () => [block(system || 'None')],
      true,
    ),
    examples.length > 0 && fold('Examples', `${examples.length}`, () => examples.map((one) => drawMessage(one)), false),
    fold('Messages', `${messages.length}`, () => messages.map((one) => drawMessage(one, without)), messages.length <= LONG),
    fold('Tools', `${tools.length}`, () => tools.map(drawTool), false),
    output && fold('Form of the answer', 'JSON Schema', () => [block(pretty(output))], false),
    fold(
      'Raw request',
      request ? 'the JSON body' : 'not kept',
      () => [copyButton(pretty(request)), block(pretty(request))],
      false,
      !request,
    ),
  ];
  container.replaceChildren(...nodes.filter(Boolean));
}

/** What the conversation has and the model was not given. */
function notGiven({ folded = 0, shortened = [], left_out: declined = [], messages }, show) {
  const summary = messages.find(({ id }) => isSummary(id));
  const maker = summary?.id.replace(/\.summary$/, '');
  const button = maker && h('button', { type: 'button', class: 'text-button', onclick: () => show(maker) }, `summary ${maker}`);
  const items = [
    folded > 0 && [`The first ${counted(folded, 'message')} of the conversation`, button ? [': in their place stands the ', button] : '', '.'],
    shortened.length > 0 && [`The middle of ${counted(shortened.length, 'long tool result')}: marked “shortened” below.`],
    ...declined.map(({ turn_id: turn, calls = [] }) => [
      calls.length
        ? `The results of ${calls.join(', ')}, because the provider declined to go on with them.`
        : `What was said in ${turn}, because the provider declined it.`,
    ]),
  ].filter(Boolean);
  if (!items.length) return null;
  return h('section', { class: 'not-given' }, h('h4', {}, 'Not given to the model'), h('ul', {}, items.map((words) => h('li', {}, words.flat()))));
}

const counted = (count, noun) => `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;

/** A section that draws its content when it is first expanded. */
export function fold(title, note, draw, open, empty = false) {
  if (empty) return h('p', { class: 'fold-empty' }, h('strong', {}, title), ' ', h('span', { class: 'faint' }, note));
  const body = h('div', { class: 'fold-body' });
  const fill = () => body.firstChild || body.append(...draw());
  const summary = h('summary', {}, icon('chevron'), h('h3', {}, title), h('span', { class: 'faint' }, note));
  const node = h('details', { class: 'fold', open, ontoggle: fill }, summary, body);
  if (open) fill();
  return node;
}

/** `shortened`: ids of messages whose long results are given in short. */
export function drawMessage(message, shortened = new Set()) {
  const body = h('div', { class: 'parts' });
  for (const part of message.parts) {
    if (part.type === 'text' || part.type === 'reasoning')
      body.append(h('div', { class: part.type === 'reasoning' ? 'raw faint' : 'raw', dir: 'auto' }, part.text));
    else if (part.type === 'tool_call')
      body.append(
        h('p', { class: 'call' }, h('code', {}, part.name), ' ', h('small', {}, part.call_id)),
        block(pretty(part.args_raw ?? part.args)),
      );
    else if (part.type === 'tool_result')
      body.append(
        h('p', { class: 'call' }, h('code', {}, part.name), ' ', h('small', {}, part.is_error ? 'failed' : 'result')),
        block(pretty(part.output)),
      );
    else if (part.type === 'file') body.append(h('p', {}, link(part.uri, [part.name]) ?? part.name));
    else body.append(block(pretty(part.value)));
  }
  const role = [roleOf(message), shortened.has(message.id) && 'shortened'].filter(Boolean).join(', ');
  return h('section', { class: 'prompt-message', data: { role: message.role } }, h('h4', {}, role), body);
}

/** Whose words they are; a summary is told in the user's name. */
const roleOf = ({ id, role }) => (isSummary(id) ? 'summary of what came before' : role);

export function drawTool(tool) {
  return h(
    'section',
    { class: 'prompt-message' },
    h('h4', {}, h('code', {}, tool.name)),
    h('p', { dir: 'auto' }, tool.description),
    block(pretty(tool.input)),
  );
}

export const block = (text) => h('pre', { tabindex: 0 }, h('code', { dir: 'auto' }, text));

function copyButton(text) {
  const label = h('span', {}, 'Copy');
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    label.textContent = 'Copied';
    setTimeout(() => (label.textContent = 'Copy'), 1500);
  };
  // Browsers allow the clipboard only in secure contexts.
  return navigator.clipboard
    ? h('button', { type: 'button', class: 'link-button copy', onclick: copy }, icon('copy'), label)
    : '';
}
