/** One step in full: how it went, the answer, what was new for the model, and the whole prompt. */
import { isCompaction } from '../view/ids.js';
import { h, icon, setText } from '../shared/dom.js';
import { modelName } from '../shared/format.js';
import { endOf } from '../view/tool_calls.js';
import { drawParts } from '../shared/parts.js';
import { drawChanges } from './changes_view.js';
import { drawPrompt } from './prompt.js';
import { factsOf, inputMeter } from './step_facts.js';

const NO_TRACE = 'The prompt of a step is for people whose sign-in has the scope session:trace.';

/**
 * Draws the step into `container`. `step`: the trace's record, null until it has arrived; `message`, `tools`: the answer from
 * the session's events, newer than the record while the step runs. `failure`: how the turn that it was the last of went wrong, or null. `before`: {state: 'loading'|'first'|'known'|'failed', step, error}, the step
 * that the prompt is compared with. `readBelow`: reads a sub-agent (`sub_agents.js`). `traced`: whoever is signed in may see more
 * than the events tell. `actions`: {close(), move(by), show(stepId)}.
 */
export function drawDetail(container, { stepId, step, message, tools, failure, error, before, readBelow, traced }, actions) {
  if (container.drawnStep !== stepId || !container.firstChild) begin(container, stepId, actions);
  const [head, facts, meter, answer, changes, prompt] = container.children;
  const shown = message?.step_id === stepId ? message : (step?.message ?? message);
  const running = shown?.live || (step !== null && step.status === 'running');
  drawName(head.querySelector('h2'), modelName(step?.model ?? shown?.model) || 'A step');
  setText(head.querySelector('.which'), isCompaction(stepId) ? `Summary ${stepId}` : `Step ${stepId}`);
  facts.replaceChildren(...factsOf({ ...shown, ...withoutNull(step), stepId, running, known: step !== null }));
  const usage = step?.usage ?? shown?.usage;
  meter.replaceChildren(...(usage ? inputMeter(usage) : []));
  drawAnswer(answer.lastChild, { shown, step, tools, running, failure, error, traced, readBelow });
  changes.hidden = !traced || Boolean(error) || !step || isCompaction(stepId);
  if (!changes.hidden) drawChanges(changes, step, before);
  const fresh = container.drawnRecord === undefined || container.drawnRecord?.request_sha256 !== step?.request_sha256;
  if (!traced) prompt.replaceChildren(h('p', { class: 'faint' }, NO_TRACE));
  else if (error) prompt.replaceChildren(h('p', { class: 'tool-error' }, error));
  else if (!step) prompt.replaceChildren(h('p', { class: 'faint' }, 'Loading the prompt…'));
  else if (fresh) drawPrompt(prompt, step, actions.show);
  container.drawnRecord = error || !step || !traced ? undefined : step;
}

/** A model's name does not break within, if a line can hold it. */
function drawName(node, name) {
  if (node.textContent === name) return;
  const cut = name.indexOf('/') + 1;
  node.replaceChildren(name.slice(0, cut), h('span', {}, name.slice(cut)));
}

function begin(container, stepId, { close, move }) {
  const button = (label, sign, onclick, by) =>
    h('button', { type: 'button', class: 'icon-button', 'aria-label': label, title: label, onclick, data: by ? { by } : {} }, icon(sign));
  const head = h(
    'header',
    {},
    h('div', {}, h('h2', {}), h('p', { class: 'faint which' })),
    h(
      'div',
      { class: 'moves' },
      button('The step before', 'chevron', () => move(-1), 'back'),
      button('The next step', 'chevron', () => move(1), 'on'),
      button('Close the step', 'cross', close),
    ),
  );
  const parts = h('div', { class: 'parts answer' });
  container.replaceChildren(
    head,
    h('dl', { class: 'facts small' }),
    h('div', { class: 'meter' }),
    h('section', { class: 'block' }, h('h3', {}, 'Answer'), parts),
    h('section', { class: 'block changes' }),
    h('div', { class: 'prompt' }),
  );
  container.drawnStep = stepId;
  container.drawnRecord = undefined;
  container.scrollTop = 0;
}

/** A note stands in for an answer only as long as there is none. */
function drawAnswer(node, { shown, step, tools, running, failure, error, traced, readBelow }) {
  for (const note of node.querySelectorAll(':scope > .nothing')) note.remove();
  if (shown?.parts?.length) {
    drawParts(node, shown, { ...toolsOf(step), ...tools }, { unfold: true, below: { way: [], read: readBelow } });
    if (failure?.bad) node.append(why(failure));
    return;
  }
  node.keyedNodes = undefined;
  const awaited = !shown && !step && traced && !error;
  const words = awaited ? 'Loading the answer…' : running ? 'Waiting for the first token.' : 'The model gave no answer.';
  node.replaceChildren(failure?.bad ? why(failure) : h('p', { class: 'faint nothing' }, words));
}

const why = ({ text, why: reason }) => h('p', { class: 'tool-error nothing' }, [text, reason].filter(Boolean).join(' '));

const withoutNull = (step) => Object.fromEntries(Object.entries(step ?? {}).filter(([, value]) => value !== null));
const toolsOf = (step) =>
  Object.fromEntries(
    (step?.tools ?? []).map((tool) => [
      tool.call_id,
      { ...tool, state: tool.result ? endOf(tool.result) : 'running' },
    ]),
  );
