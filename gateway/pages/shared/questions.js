/**
 * The questions of a tool call, at the call, and of a turn, at its end: a card to answer an open one, a line with the outcome of a
 * settled one.
 *
 * Rule 1: a question's outcome comes from the session's events alone; a card only sends.
 * Rule 2: a card keeps its nodes as long as its question is open, so nothing typed into it is lost.
 */
import { questionKey } from '../view/sub_views.js';
import { budget } from './budget_card.js';
import { h, keyed } from './dom.js';
import { askForm, complain, outputForm, schemaForm, table, valuesForm } from './form_fields.js';
import { expiresIn, fullTime } from './format.js';
import { answerTable } from './known_calls.js';
import { tooMany } from './limited.js';
import { becameOf } from './outcomes.js';
import { rewind } from './rewind_card.js';
import { whose } from './whose.js';
import { linked } from './links.js';

const TAKEN = 'Somebody else has answered already.';

/**
 * `answer(question, body, {signal, onRetry})` sends and throws as `client.answer` does; null: this page is read-only. Its
 * `about(question)` gives what is known of whoever asks, {agent, description, output}: the agent's name, what its tool does, and the
 * JSON Schema of what a client tool gives. `below`: the sub-agents' open questions (`sub_views.js`).
 */
export function drawQuestions(container, tool, answer = null, below = []) {
  // Questions that were settled before they were shown here appear inside, at the agent that asked.
  const held = below.filter((one) => one.state === 'open' || container.keyedNodes?.has(questionKey(one)));
  const items = [...(tool?.questions ?? []), ...held].map((question) => ({
    question,
    edited: question.agents ? question.edited : tool.edited,
    answer,
  }));
  keyed(container, items, { key: ({ question }) => questionKey(question), make: makeSlot, update });
}

/** Updates the times until questions expire. */
export function tickExpiry(container) {
  for (const node of container.querySelectorAll('.expiry')) node.textContent = expiresIn(node.dataset.at);
}

function makeSlot() {
  return h('div', { class: 'asked' });
}

function update(node, { question, edited, answer }) {
  if (question.state === 'open' && answer) {
    // A card that was made before the agents were known may lack its fields, and nothing is typed into it yet.
    const better = node.card?.lacks && !node.card.contains(document.activeElement) && answer.about?.(question).output;
    if (!node.card || better) node.replaceChildren((node.card = makeCard(node, question, answer)));
    return;
  }
  const asked = askerOf(question);
  const became = asked ? `${asked}, ${question.name}: ${becameOf(question, edited)}` : becameOf(question, edited);
  if (node.line?.textContent === became && !node.card) return;
  // A card that is being sent has lost the focus; whoever has moved it since keeps it where it is.
  const lost = node.hadFocus && document.activeElement === document.body;
  const focused = lost || node.contains(document.activeElement);
  node.settle?.();
  node.card = null;
  const line = (node.line = h('p', { class: 'settled', tabindex: -1, data: { state: question.state } }, became));
  // Of any other question, its call tells what it was about.
  const prompt = question.subject === 'handler' && question.prompt ? h('p', { class: 'prompt' }, linked(question.prompt)) : null;
  const value = question.state === 'answered' && isObject(question.value) ? given(question) : null;
  node.replaceChildren(...[prompt, line, value].filter(Boolean));
  drawNote(node);
  if (focused) line.focus({ preventScroll: true });
}

const given = ({ form, args, value }) => (form === 'fields' ? answerTable(args?.fields, value) : table(value));

function drawNote(slot) {
  if (slot.note && !slot.card) slot.append(h('p', { class: 'note', role: 'status' }, slot.note));
}

function makeCard(slot, question, answer) {
  const { question_id: id, name, expires_at: expires } = question;
  const heading = `question-${question.session_id ?? ''}-${id}`;
  const about = answer.about?.(question) ?? {};
  const parts = contents(question, about);
  const title = h('h4', { id: heading, 'aria-level': 2 }, ...(parts.title ?? [h('code', {}, name), ' asks to run']));
  const until = expires && h('span', { class: 'expiry', title: fullTime(expires), data: { at: expires } }, expiresIn(expires));
  const who = askerOf(question) ?? (question.kind === 'budget' ? null : about.agent);
  // What ask_user does is told to models.
  const does = question.call_id && about.description && question.form !== 'fields' ? `. The tool: ${about.description}` : '';
  const asker = who && h('p', { class: 'asker' }, h('code', {}, who), ' asks', does);
  const said = h('p', { class: 'card-state', role: 'status' });
  const set = h('fieldset', { class: 'card-body' }, parts.nodes);
  const form = h('form', { class: 'card', novalidate: true, 'aria-labelledby': heading }, h('header', {}, asker, title, until), set, said);
  form.dataset.question = id;
  form.lacks = about.output === undefined;

  async function send(body) {
    if (body === null || set.disabled) return;
    slot.hadFocus = form.contains(document.activeElement);
    const abort = new AbortController();
    const say = (words, bad = false) => ((said.textContent = words), said.classList.toggle('bad', bad));
    set.disabled = true;
    say('Sending');
    let lost = false;
    const onRetry = (error, wait) => {
      const limited = tooMany(error, wait);
      // One too many was not done; of any other, the answer may have been lost.
      lost ||= !limited;
      say(limited ?? 'The server does not answer, trying again');
    };
    // An answer whose response was lost may be the one that counted. Any other request is awaited, to learn who was second.
    slot.settle = () => lost && abort.abort();
    try {
      await answer(question, body, { signal: abort.signal, onRetry });
      say('Sent');
    } catch (error) {
      if (abort.signal.aborted) return;
      if (error.code === 'already_answered') {
        slot.note = lost ? null : TAKEN;
        say(slot.note ?? 'This has been answered.', true);
        return drawNote(slot);
      }
      set.disabled = false;
      const [first] = error.errors ?? [];
      say(first ? `${first.field}: ${first.message}` : `Not sent. ${error.message} You can try again.`, true);
      if (first) complain(form, first.field, first.message);
    }
  }
  form.addEventListener('submit', (event) => (event.preventDefault(), send(parts.yes())));
  parts.no.addEventListener('click', () => send(parts.declined()));
  for (const [button, body] of parts.others ?? []) button.addEventListener('click', () => send(body()));
  return form;
}

function contents(question, about) {
  const { kind, subject, form, args } = question;
  if (kind === 'budget') return budget(question);
  if (subject === 'rewind') return rewind(question);
  if (kind === 'approval') return approval(question);
  return form === 'outcome' ? lost(args) : input(question, about);
}

/** An approval: with the arguments as they are, or changed. */
function approval({ args, agents, remember: most, again, roles }) {
  const holder = h('div', { class: 'arguments' }, table(args));
  const yes = h('button', { type: 'submit', class: 'button primary' }, 'Approve');
  const no = h('button', { type: 'button', class: 'button danger' }, 'Deny');
  const edit = h('button', { type: 'button', class: 'button plain', 'aria-pressed': 'false' }, 'Edit');
  const reason = reasonField('Reason, if you deny');
  const remember = h('input', { type: 'checkbox' });
  const what = most === 'same_args' ? 'this tool with the same arguments' : 'this tool';
  const how = ` Allow ${what} for the rest of ${agents ? 'its work' : 'this session'}`;
  const always = most !== 'never' && h('label', { class: 'remember' }, remember, how);
  const changed = again === 'tool_changed' && h('p', { class: 'note' }, 'This tool is another one now than was allowed.');
  let form = null;
  edit.addEventListener('click', () => {
    form = form ? null : valuesForm(args);
    holder.replaceChildren(form ? form.node : table(args));
    edit.setAttribute('aria-pressed', String(form !== null));
    edit.textContent = form ? 'Undo the changes' : 'Edit';
    yes.textContent = form ? 'Approve with these' : 'Approve';
    if (form) holder.querySelector('input, textarea')?.focus();
  });
  return {
    nodes: [changed, whose(roles), holder, h('div', { class: 'actions' }, yes, edit, no, reason), always].filter(Boolean),
    no,
    yes: () => {
      const given = form ? form.read() : args;
      if (given === null) return null;
      const changed = JSON.stringify(given) !== JSON.stringify(args);
      return { approved: true, ...(changed && { args: given }), ...(remember.checked && { remember: true }) };
    },
    declined: () => withReason(reason),
  };
}

/** A question from a client tool, a tool's server, or a handler: a form for `ask_user` or with a schema, else any JSON. */
function input({ form: asks, name, args, prompt, output, subject, roles }, about) {
  const isHandler = subject === 'handler';
  const isTool = !output && asks !== 'fields' && !isHandler;
  const given = isTool ? outputForm(about.output, 'Answer') : null;
  const form = given ?? (output ? schemaForm(output, prompt) : asks === 'fields' ? askForm(args.fields, prompt) : null);
  const title = output ? linked(prompt) : [h('code', {}, name), ' needs an answer'];
  const told = isHandler ? [whose(roles)].filter(Boolean) : [table(args)];
  if (!form) return anything(title, told, 'Decline', output && !isHandler ? null : 'Reason, if you decline');
  const no = h('button', { type: 'button', class: 'button plain' }, 'Decline');
  const reason = isHandler && reasonField('Reason, if you decline');
  // Without fields, the person only confirms what was done elsewhere.
  const yes = h('button', { type: 'submit', class: 'button primary' }, form.node.hasChildNodes() ? 'Send' : 'Done');
  return {
    title: given && !prompt ? title : linked(prompt || 'A question for you'),
    nodes: [isHandler && whose(roles), given && Object.keys(args ?? {}).length > 0 && table(args), form.node, h('div', { class: 'actions' }, yes, no, reason)].filter(Boolean),
    no,
    yes: () => {
      const result = form.read();
      return result === null ? null : { result };
    },
    declined: () => (reason ? withReason(reason) : { approved: false }),
  };
}

/** Asks for the outcome of a lost call. */
function lost(args) {
  const why = h('p', {}, 'The connection was lost while it ran, so nobody knows whether it took effect. Find out, and give its result.');
  return anything(['What became of this call?'], [why, table(args)], 'Leave it unknown', null);
}

function anything(title, nodes, decline, hint) {
  const area = h('textarea', { rows: 3, required: true, name: 'result', 'aria-label': 'Result', placeholder: 'Text or JSON', spellcheck: 'false' });
  const no = h('button', { type: 'button', class: 'button plain' }, decline);
  const reason = hint && reasonField(hint);
  const yes = h('button', { type: 'submit', class: 'button primary' }, 'Send');
  return {
    title,
    nodes: [...nodes, h('div', { class: 'fields' }, area), h('div', { class: 'actions' }, yes, no, reason)],
    no,
    yes: () => (area.reportValidity() ? { result: jsonOrText(area.value) } : null),
    declined: () => (reason ? withReason(reason) : { approved: false }),
  };
}

const reasonField = (hint) =>
  h('input', { type: 'text', class: 'reason', 'aria-label': hint, placeholder: hint, maxlength: 2000, autocomplete: 'off', onkeydown: noSubmit });

/** Pressing Enter in the reason for a refusal must not approve. */
function noSubmit(event) {
  if (event.key === 'Enter') event.preventDefault();
}

/** The sub-agent that asks, with those between it and this session. */
const askerOf = ({ agents }) => agents?.join(' › ');
const withReason = ({ value }) => ({ approved: false, ...(value.trim() && { reason: value.trim() }) });
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

function jsonOrText(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
