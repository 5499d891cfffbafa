/** One turn of the conversation: what was said and answered, what it asks, how it ended and what can be done with it. */
import { placeOf } from '../view/branches.js';
import { isOfHandler } from '../view/ids.js';
import { isSaid, noteOf } from '../view/notes.js';
import { questionsBelow } from '../view/sub_views.js';
import { h, icon, keyed, setText } from '../shared/dom.js';
import { outcome } from '../shared/endings.js';
import { ESTIMATED, between, cost, duration, stopNote, tokens, total } from '../shared/format.js';
import { drawParts } from '../shared/parts.js';
import { drawQuestions } from '../shared/questions.js';
import { runsOf } from '../shared/runs.js';
import { drawSaid, makeSaid } from './said.js';
import { survivedWords } from './survivals.js';
import { drawTrouble } from './trouble.js';
import { drawTurnActions } from './turn_actions.js';

export function makeTurn() {
  const dots = h('div', { class: 'dots', 'aria-hidden': 'true' }, h('i'), h('i'), h('i'));
  return h(
    'article',
    { class: 'turn' },
    h('div', { class: 'messages' }),
    dots,
    h('p', { class: 'survived', hidden: true }),
    h('div', { class: 'outcome', hidden: true }),
    h('footer', { class: 'turn-footer' }, h('span', { class: 'turn-numbers' }), h('span', { class: 'turn-actions' })),
    h('div', { class: 'why-bad', hidden: true }),
  );
}

/**
 * `around`: {places, told, asked, rests, forks, score, last, seen, actions}: what stands around it; `seen`: as in `survivals.js`; `asked`: what its handler asks; `rests`: the
 * session does nothing, and can be told to; `forks`: it can be forked; `score`: as in `turn_actions.js`; `last`: it is the newest.
 */
export function drawTurn(node, turn, around) {
  if (isDrawn(node, turn, around)) return;
  node.drawn = stateOf(turn, around);
  const { places, told, asked, rests, forks, score, last, seen, actions } = around;
  const [messages, dots, survived, result, footer, why] = node.children;
  const running = turn.status === 'running';
  node.dataset.turn = turn.id;
  const asks = running && (openOf(turn) || Object.values(turn.tools).some((tool) => openOf(tool) || asksBelow(tool, told)));
  node.classList.toggle('running', running && !asks);
  // What a turn adds while it runs is said by screen readers; what is only read back is not.
  if (running) node.setAttribute('aria-live', 'polite');
  node.classList.toggle('last', last);
  dots.hidden = !running || asks || !isSilent(turn);
  const toggle = (id) => {
    if (!node.openRuns.delete(id)) node.openRuns.add(id);
    node.drawn = null;
    messages.keyedNodes.forEach((entry) => (entry.item = undefined));
    drawTurn(node, turn, around);
  };
  const runs = { of: runsOf(turn.messages, turn.tools), open: (node.openRuns ??= new Set()), toggle };
  const options = { answer: actions.answer, told, below: { way: [], read: actions.readBelow }, runs };
  const shown = [...turn.messages, ...unasked(turn)].map((message, at) => ({
    ...{ message, turn, options },
    branching: { place: isSaid(message) ? partingAt(places, turn.messages, at) : null, rests, actions },
  }));
  keyed(messages, withQuestions(shown, turn, asked, actions.answer), {
    key: ({ message, question }) => message?.key ?? `asks ${question.question_id}`,
    make: ({ message }) => (message ? (message.role === 'user' ? makeSaid() : makeAnswer()) : h('div', { class: 'questions' })),
    update: (one, item) => UPDATE[item.question ? 'question' : item.message.role](one, item),
  });
  drawSurvived(survived, survivedWords(turn, seen));
  drawOutcome(result, outcome(turn), last && rests && (() => actions.runOn(turn.id)));
  drawFooter(footer, turn, running, asks);
  drawTurnActions(footer.lastChild, turn, answeredAt(places, turn), { rests, forks, score, why, actions });
}

/** Whether the node shows this: a turn that did not change keeps its object. */
export function isDrawn(node, turn, around) {
  const state = stateOf(turn, around);
  return node.drawn?.every((value, at) => value === state[at]) ?? false;
}

function stateOf(turn, { places, told, asked, rests, forks, score, last, seen, actions }) {
  const asking = turn.status === 'running' || asked.length > 0;
  return [turn, places, asked, asking && told, asking && actions.answer, seen, rests, forks, score, last];
}

const UPDATE = {
  user: drawSaid,
  assistant: drawAnswer,
  question: (node, { question, answer }) => drawQuestions(node, { questions: [question] }, answer),
};

/** What the turn itself asks, behind the messages that had begun by then. */
function withQuestions(shown, turn, asked, answer) {
  const items = [...shown];
  for (const question of [...(turn.questions ?? []), ...rewindsOf(turn), ...asked]) {
    const before = items.findLastIndex(({ message, question: other }) => other || !(begunAt(message) > question.asked_at));
    items.splice(question.asked_at ? before + 1 : items.length, 0, { question, answer });
  }
  return items;
}

const begunAt = ({ started_at: begun, at }) => begun ?? at ?? null;

function drawFooter(footer, turn, running, asks) {
  const [numbers] = footer.children;
  footer.hidden = !running && isBare(turn);
  numbers.dataset.since = (running && turn.started_at) || '';
  const took = duration(between(turn.started_at, turn.finished_at));
  const spent = [cost(turn.cost_usd, turn.usage), tokens(total(turn.usage), turn.usage), took];
  const counted = total(turn.usage) > 0 || turn.finished_at;
  // That it waits is said by what it waits for.
  const now = asks ? '' : workingSince(turn.started_at);
  setText(numbers, running ? now : counted ? spent.filter(Boolean).join(' · ') : '');
  numbers.title = !running && turn.usage?.estimated ? ESTIMATED : '';
}

/** Nothing was said or answered in it, as where going back was asked about and declined: it cost nothing, and cannot be repeated. */
const isBare = ({ messages, usage }) => total(usage) === 0 && !messages.some((one) => isSaid(one) || one.role === 'assistant');

/** Where the words differ, at the message, though a note may stand before it; where the answers do, at the end of the turn. */
function partingAt(places, messages, at) {
  const notes = messages.slice(0, at).reverse();
  const said = notes.findIndex((message) => noteOf(message) === null);
  const place = placeOf(places, [messages[at], ...notes.slice(0, said < 0 ? undefined : said)]);
  return place?.again ? null : place;
}

function answeredAt(places, { messages }) {
  const asked = placeOf(places, messages.filter(({ role }) => role === 'user'));
  return asked?.again ? asked : placeOf(places, messages.filter(({ role }) => role === 'assistant'));
}

const rewindsOf = ({ tools }) => Object.values(tools).flatMap(({ questions = [] }) => questions.filter(({ subject }) => subject === 'rewind'));

/** The calls that no model made, as if a message had: those that take others back, for a rewind, and those of handlers. */
function unasked({ tools }) {
  const calls = Object.entries(tools).filter(([id, tool]) => tool.undoes || (isOfHandler(id) && isShown(tool)));
  const parts = calls.map(([call_id, { name, args, questions }]) => ({
    ...{ type: 'tool_call', call_id, name: name ?? questions?.[0]?.name, args: args ?? questions?.[0]?.args },
  }));
  return parts.length ? [{ key: 'unasked', role: 'assistant', parts }] : [];
}

/** A call that its handler hides is shown where it asks something. */
const isShown = ({ block, questions }) => block?.display === 'name' || questions?.length > 0;

export function workingSince(iso) {
  const seconds = iso ? Math.floor((Date.now() - Date.parse(iso)) / 1000) : 0;
  return seconds > 0 ? `Working, ${duration(seconds * 1000)}` : 'Working';
}

function makeAnswer() {
  return h('div', { class: 'answer' }, h('div', { class: 'parts' }), h('p', { class: 'note', hidden: true }));
}

function drawAnswer(node, { message, turn, options }) {
  const [parts, note] = node.children;
  node.trouble = drawTrouble(note, node.trouble, message.live && turn.status === 'running' ? message : null);
  drawParts(parts, message, turn.tools, options);
  const why = stopNote(message);
  // All of it is in the line of a run above.
  node.hidden = parts.children.length > 0 && [...parts.children].every((part) => part.hidden) && !why;
  note.hidden = !why;
  setText(note, why ?? '');
  // Screen readers wait until the answer is whole instead of reading fragments.
  node.setAttribute('aria-busy', message.live ? 'true' : 'false');
}

const openOf = ({ questions = [] }) => questions.some((one) => one.state === 'open');
const asksBelow = (tool, told) => questionsBelow(tool, told).some((one) => one.state === 'open');

/** Nothing on the page moves by itself: no text grows and no tool runs. */
function isSilent(turn) {
  const last = turn.messages.at(-1);
  if (last?.live) return !['text', 'tool_call'].includes(last.parts.at(-1)?.type);
  return !Object.values(turn.tools).some((tool) => tool.state === 'running');
}

function drawSurvived(node, words) {
  node.hidden = !words;
  if (!words || node.textContent === words.text) return;
  node.title = words.title;
  node.replaceChildren(icon('again'), h('span', {}, words.text));
}

/** `runOn()` runs the turn on; false where that is not possible now. */
function drawOutcome(node, result, runOn) {
  node.hidden = !result;
  if (!result) return;
  node.classList.toggle('bad', result.bad);
  const again = result.again && runOn && h('button', { type: 'button', class: 'button small', onclick: once(runOn) }, icon('again'), 'Try again');
  const why = result.why && h('p', { class: 'why' }, result.why);
  const head = h('p', { class: 'what' }, icon(result.bad ? 'alert' : 'stop'), h('strong', {}, result.text), result.code && h('code', {}, result.code));
  node.replaceChildren(...[head, why, again].filter(Boolean));
}

/** A handler that lets its button be pressed again only once `act` has failed. */
function once(act) {
  return async ({ currentTarget: button }) => {
    button.disabled = true;
    if (!(await act())) button.disabled = false;
  };
}
