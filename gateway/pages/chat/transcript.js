/** The conversation in the middle of the chat page: a view of `client.js` and the unsent messages → nodes. */
import { questionsBelow } from '../view/sub_views.js';
import { h, icon, keyed, setText } from '../shared/dom.js';
import { ESTIMATED, between, cost, duration, outcome, stopNote, textOf, tokens, total } from '../shared/format.js';
import { messageFile } from '../shared/files.js';
import { drawParts } from '../shared/parts.js';
import { tickExpiry } from '../shared/questions.js';

/**
 * `outbox`: messages of this page that the session has not shown yet, {messageId, text, files, state, error}.
 * `actions`: {retry(messageId), discard(messageId), answer, readBelow(way)}; `answer` as in `questions.js`, `way` as in `sub_views.js`.
 */
export function drawTranscript(container, view, outbox, actions) {
  const shown = new Set(view.turns.flatMap((turn) => turn.messages.map((message) => message.id)));
  const sent = new Map(outbox.map((entry) => [entry.messageId, entry]));
  const queued = view.queued.map(({ id, message }) => ({
    messageId: id,
    text: message ? textOf(message) : (sent.get(id)?.text ?? ''),
    files: message ? message.parts.filter((part) => part.type === 'file') : (sent.get(id)?.files ?? []),
    state: 'queued',
  }));
  const known = new Set([...shown, ...queued.map((entry) => entry.messageId)]);
  const refused = new Map(view.rejected.map((entry) => [entry.id, entry.reason]));
  const waiting = outbox
    .filter((entry) => !known.has(entry.messageId))
    .map((entry) =>
      refused.has(entry.messageId) ? { ...entry, state: 'failed', error: refused.get(entry.messageId) } : { ...entry },
    );
  const told = view.session.sub_questions;
  const turns = view.turns.map((turn) => ({ kind: 'turn', id: turn.id ?? 'next', turn }));
  const pending = [...queued, ...waiting].map((entry) => ({ kind: 'pending', id: entry.messageId, entry }));
  keyed(container, [...turns, ...pending], {
    key: ({ kind, id }) => `${kind} ${id}`,
    make: ({ kind }) => (kind === 'turn' ? makeTurn() : h('div', { class: 'pending' })),
    update: (node, item) => (item.kind === 'turn' ? drawTurn(node, item.turn, told, actions) : drawPending(node, item.entry, actions)),
  });
}

function makeTurn() {
  const dots = h('div', { class: 'dots', 'aria-hidden': 'true' }, h('i'), h('i'), h('i'));
  const result = h('div', { class: 'outcome', hidden: true });
  return h(
    'article',
    { class: 'turn' },
    h('div', { class: 'messages' }),
    dots,
    result,
    h('footer', { class: 'turn-footer' }),
  );
}

function drawTurn(node, turn, told, { answer, readBelow }) {
  // A turn that did not change keeps its object, and then there is nothing to do.
  if (node.drawnTurn === turn && (node.drawnTold === told || turn.status !== 'running')) return;
  Object.assign(node, { drawnTurn: turn, drawnTold: told });
  const [messages, dots, result, footer] = node.children;
  const running = turn.status === 'running';
  node.dataset.turn = turn.id;
  const asks = running && Object.values(turn.tools).some((tool) => tool.state === 'asking' || asksBelow(tool, told));
  node.classList.toggle('running', running && !asks);
  dots.hidden = !running || asks || !isSilent(turn);
  const options = { answer, told, below: { way: [], read: readBelow } };
  keyed(
    messages,
    turn.messages.map((message) => ({ message, turn, options })),
    {
      key: ({ message }) => message.key,
      make: ({ message }) => (message.role === 'user' ? h('div', { class: 'said' }) : makeAnswer()),
      update: (one, item) => (item.message.role === 'user' ? drawSaid(one, item.message) : drawAnswer(one, item)),
    },
  );
  drawOutcome(result, outcome(turn));
  footer.dataset.since = (running && turn.started_at) || '';
  const took = duration(between(turn.started_at, turn.finished_at));
  const spent = [cost(turn.cost_usd, turn.usage), tokens(total(turn.usage), turn.usage), took];
  const counted = total(turn.usage) > 0 || turn.finished_at;
  const now = asks ? 'Waits for an answer' : workingSince(turn.started_at);
  setText(footer, running ? now : counted ? spent.filter(Boolean).join(' · ') : '');
  footer.title = !running && turn.usage?.estimated ? ESTIMATED : '';
}

/** Lets the clocks of running turns go on; call it about once a second. */
export function tick(container) {
  for (const footer of container.querySelectorAll('.running > .turn-footer'))
    setText(footer, workingSince(footer.dataset.since));
  tickExpiry(container);
}

function workingSince(iso) {
  const seconds = iso ? Math.floor((Date.now() - Date.parse(iso)) / 1000) : 0;
  return seconds > 0 ? `Working, ${duration(seconds * 1000)}` : 'Working';
}

function makeAnswer() {
  const again = h('p', { class: 'again', hidden: true });
  return h('div', { class: 'answer' }, again, h('div', { class: 'parts' }), h('p', { class: 'note', hidden: true }));
}

function drawAnswer(node, { message, turn, options }) {
  const [again, parts, note] = node.children;
  const retried = message.live && message.attempt > 1;
  again.hidden = !retried;
  setText(again, retried ? `The connection to the model broke; attempt ${message.attempt}` : '');
  drawParts(parts, message, turn.tools, options);
  const why = stopNote(message);
  note.hidden = !why;
  setText(note, why ?? '');
  // Screen readers wait until the answer is whole instead of reading fragments.
  node.setAttribute('aria-busy', message.live ? 'true' : 'false');
}

const asksBelow = (tool, told) => questionsBelow(tool, told).some((one) => one.state === 'open');

/** Nothing on the page moves by itself: no text grows and no tool runs. */
function isSilent(turn) {
  const last = turn.messages.at(-1);
  if (last?.live) return !['text', 'tool_call'].includes(last.parts.at(-1)?.type);
  return !Object.values(turn.tools).some((tool) => tool.state === 'running');
}

function drawOutcome(node, result) {
  node.hidden = !result;
  if (!result) return;
  node.classList.toggle('bad', result.bad);
  const why = result.why && h('p', { class: 'why' }, result.why);
  const head = h(
    'p',
    {},
    result.bad ? icon('alert') : icon('stop'),
    h('strong', {}, result.text),
    result.code && h('code', {}, result.code),
  );
  node.replaceChildren(...[head, why].filter(Boolean));
}

const PENDING = {
  sending: 'Sending',
  accepted: 'Sent',
  queued: 'Queued, sent when this turn ends',
  retrying: 'Not reached yet, trying again',
};

function drawPending(node, entry, { retry, discard }) {
  // Buttons stay the same nodes, or a press on one that is drawn anew meanwhile would be lost.
  const drawn = JSON.stringify(entry);
  if (node.drawnEntry === drawn) return;
  node.drawnEntry = drawn;
  const failed = entry.state === 'failed';
  const label = h('span', {}, failed ? `Not sent. ${entry.error}` : PENDING[entry.state]);
  const again =
    failed && h('button', { type: 'button', class: 'text-button', onclick: () => retry(entry.messageId) }, 'Try again');
  const drop =
    failed && h('button', { type: 'button', class: 'text-button', onclick: () => discard(entry.messageId) }, 'Discard');
  node.classList.toggle('failed', failed);
  const state = h('p', { class: 'pending-state' }, ...[label, again, drop].filter(Boolean));
  node.replaceChildren(h('div', { class: 'said' }, said(entry.text, entry.files ?? [])), state);
}

/** What a user said: files above, text below, as people send them. */
function drawSaid(node, message) {
  const files = message.parts.filter((part) => part.type === 'file');
  const shown = JSON.stringify([textOf(message), files]);
  if (node.shown === shown) return;
  node.shown = shown;
  node.replaceChildren(...said(textOf(message), files));
}

function said(text, files) {
  const list = files.length > 0 && h('ul', { class: 'files', 'aria-label': 'Files' }, files.map((file) => h('li', {}, messageFile(file))));
  return [list, (text || !files.length) && h('div', { class: 'user' }, text)].filter(Boolean);
}
