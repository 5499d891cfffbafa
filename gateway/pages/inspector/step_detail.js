/** One step in full: the model's prompt, the request, the response, its duration and its cost. */
import { isCompaction, isSummary } from '../view/ids.js';
import { h, icon } from '../shared/dom.js';
import { ESTIMATED, cost, duration, fullTime, inputTokens, outputTokens, pretty } from '../shared/format.js';
import { endOf } from '../view/tool_calls.js';
import { drawParts } from '../shared/parts.js';
import { link } from '../shared/links.js';

const NO_TRACE = 'The prompt of a step is for people whose sign-in has the scope session:trace.';

/** A longer message list is drawn only when it is expanded. */
const LONG = 30;

const SAME = {
  true: 'Yes',
  false: 'No, newer code or a newer definition would send another request',
  null: 'Not known',
};

/**
 * Draws the step into `container`. `step`: the trace's record, null until it has arrived; `message`, `tools`: the answer from
 * the session's events, newer than the record while the step runs. `readBelow`: reads a sub-agent (`sub_agents.js`).
 * `traced`: whoever is signed in may see more than the events tell.
 */
export function drawDetail(container, { stepId, step, message, tools, error, readBelow, traced }, close) {
  const known = container.drawnStep === stepId && container.firstChild;
  if (!known) {
    const button = h(
      'button',
      { type: 'button', class: 'icon-button', 'aria-label': 'Close the step', onclick: close },
      icon('cross'),
    );
    const head = h('header', {}, h('div', {}, h('h2', {}), h('p', { class: 'faint' })), button);
    container.replaceChildren(
      head,
      h('dl', { class: 'facts small' }),
      section('Answer', h('div', { class: 'parts answer' })),
      h('div', { class: 'prompt' }),
    );
    container.drawnStep = stepId;
    container.drawnRecord = undefined;
    container.scrollTop = 0;
  }
  const [head, facts, answer, prompt] = container.children;
  const shown = message?.step_id === stepId ? message : (step?.message ?? message);
  const model = step?.model ?? shown?.model ?? '';
  head.querySelector('h2').textContent = model;
  head.querySelector('p').textContent = isCompaction(stepId) ? `Summary ${stepId}` : `Step ${stepId}`;
  facts.replaceChildren(...factsOf({ ...shown, ...withoutNull(step), known: step !== null }));
  const parts = answer.lastChild;
  parts.querySelector(':scope > .nothing')?.remove();
  if (shown?.parts?.length) drawParts(parts, shown, { ...toolsOf(step), ...tools }, { unfold: true, below: { way: [], read: readBelow } });
  else if (!parts.children.length || !parts.keyedNodes)
    parts.replaceChildren(h('p', { class: 'faint nothing' }, shown?.live ? 'Nothing yet.' : 'Nothing was said.'));
  if (!traced) prompt.replaceChildren(h('p', { class: 'faint' }, NO_TRACE));
  else if (error) prompt.replaceChildren(h('p', { class: 'tool-error' }, error));
  else if (!step) prompt.replaceChildren(h('p', { class: 'faint' }, 'Loading the prompt'));
  else if (container.drawnRecord?.request_sha256 !== step.request_sha256 || !container.drawnRecord)
    drawPrompt(prompt, step);
  container.drawnRecord = step;
}

const withoutNull = (step) => Object.fromEntries(Object.entries(step ?? {}).filter(([, value]) => value !== null));
const toolsOf = (step) =>
  Object.fromEntries(
    (step?.tools ?? []).map((tool) => [
      tool.call_id,
      { ...tool, state: tool.result ? endOf(tool.result) : 'running' },
    ]),
  );

function factsOf({
  usage,
  timing,
  stop,
  attempt,
  cost_usd: usd,
  started_at: startedAt,
  request_sha256: sha,
  request_matches: same,
  adapted,
  skipped,
  misfit,
  status,
  live,
  known,
}) {
  const running = live || status === 'running';
  const rows = [
    ['Ended by', running ? 'still running' : (stop ?? '').replaceAll('_', ' ')],
    ['Cost', usage && cost(usd, usage)],
    ['Total time', duration(timing?.total_ms)],
    ['First token', duration(timing?.first_token_ms)],
    ['Input tokens', usage && inputTokens(usage)],
    ['Output tokens', usage && outputTokens(usage)],
    ['Counts', usage?.estimated && ESTIMATED],
    ['Changed for the server', adapted?.join('; ')],
    ['Passed over', skipped && `${skipped} ${skipped === 1 ? 'piece' : 'pieces'} of the answer whose shape is not known`],
    ['Not of the form asked for', misfit],
    ['Attempt', attempt && String(attempt)],
    ['Started', fullTime(startedAt)],
    ['Would be sent the same today', running || !known ? null : SAME[same ?? null]],
    ['Request sha256', sha && h('code', { class: 'sha' }, sha)],
  ];
  return rows.filter(([, value]) => value).map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value)));
}

function drawPrompt(container, { prompt, request }) {
  const { system, examples = [], messages = [], tools = [] } = prompt ?? {};
  const nodes = [
    fold(
      'System',
      system ? `${system.length.toLocaleString('en')} characters` : 'none',
      () => [block(system || 'None')],
      true,
    ),
    examples.length && fold('Examples', `${examples.length}`, () => examples.map(drawMessage), false),
    fold('Messages', `${messages.length}`, () => messages.map(drawMessage), messages.length <= LONG),
    fold('Tools', `${tools.length}`, () => tools.map(drawTool), false),
    fold(
      'Request',
      request ? 'the exact JSON body' : 'not kept',
      () => [copyButton(pretty(request)), block(pretty(request))],
      false,
      !request,
    ),
  ];
  container.replaceChildren(...nodes.filter(Boolean));
}

/** A section that draws its content when it is first expanded. */
function fold(title, note, draw, open, empty = false) {
  if (empty) return h('p', { class: 'fold-empty' }, h('strong', {}, title), ' ', h('span', { class: 'faint' }, note));
  const body = h('div', { class: 'fold-body' });
  const fill = () => body.firstChild || body.append(...draw());
  const summary = h('summary', {}, icon('chevron'), h('h3', {}, title), h('span', { class: 'faint' }, note));
  const node = h('details', { class: 'fold', open, ontoggle: fill }, summary, body);
  if (open) fill();
  return node;
}

function drawMessage(message) {
  const body = h('div', { class: 'parts' });
  for (const part of message.parts) {
    if (part.type === 'text' || part.type === 'reasoning')
      body.append(h('div', { class: part.type === 'reasoning' ? 'raw faint' : 'raw' }, part.text));
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
  return h('section', { class: 'prompt-message', data: { role: message.role } }, h('h4', {}, roleOf(message)), body);
}

/** Whose words they are; a summary is told in the user's name. */
const roleOf = ({ id, role }) => (isSummary(id) ? 'summary of what came before' : role);

function drawTool(tool) {
  return h(
    'section',
    { class: 'prompt-message' },
    h('h4', {}, h('code', {}, tool.name)),
    h('p', {}, tool.description),
    block(pretty(tool.input)),
  );
}

const block = (text) => h('pre', { tabindex: 0 }, h('code', {}, text));
const section = (title, ...children) => h('section', { class: 'block' }, h('h3', {}, title), ...children);

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
