/**
 * The chat page: one session at a time, found again by the address (`#session=…`) or by what the browser remembers.
 *
 * Rule 1: what the conversation shows comes from the session's events; the page adds only what is on its way (outbox).
 * Rule 2: nothing typed is lost: an unsent draft and an unanswered message outlive a reload and a dead server.
 */
import { PerdureClient, emptyView, newId, openBelow } from '/client.js';
import { unwrapped } from '../view/sub_views.js';
import { byId, icon, scheduler } from '../shared/dom.js';
import { Earlier, OPENED } from '../shared/earlier.js';
import { textOf } from '../shared/format.js';
import { followAgents } from './agents.js';
import { Attachments } from './attachments.js';
import { takeFiles } from './dropping.js';
import { notice } from './notice.js';
import { Outbox } from './outbox.js';
import { listenToPanel, showPanel } from './panel.js';
import { drawRefused } from './refused.js';
import { Sidebar } from './sidebar.js';
import { drawTopbar } from './topbar.js';
import { drawTranscript, tick } from './transcript.js';
import { drawWelcome, readInputs } from './welcome.js';

const FIRST_AGENT = 'assistant';
const REMEMBERED = 'perdure.session';
const DRAFT = 'perdure.draft';
const NONE = [];

const client = new PerdureClient();
const page = {
  sessionId: null,
  live: null,
  view: emptyView(),
  agents: null,
  agent: null,
  /** Of the files of agents. */
  problems: [],
  temporalUi: null,
  /** Enter was pressed before the agents were known; the message goes out with them. */
  hurried: false,
  stopping: null,
  connection: null,
};
const draw = scheduler(drawPage);
const outbox = new Outbox(client, localStorage, draw);
const attachments = new Attachments({ client, storage: localStorage, list: byId('attachments'), onChange: draw });
const sidebar = new Sidebar({ client, list: byId('sessions'), more: byId('more-sessions'), current: currentEntry });
const earlier = new Earlier({ button: byId('earlier'), scroll: byId('scroll'), read: () => page.live.readEarlier(), auto: true });
const [scroll, transcript, welcome, box] = ['scroll', 'transcript', 'welcome', 'message'].map(byId);

async function start() {
  drawIcons();
  listen();
  outbox.resume();
  open(fromAddress() ?? localStorage.getItem(REMEMBERED));
  sidebar.refresh();
  box.value = localStorage.getItem(DRAFT) ?? '';
  fitBox();
  setInterval(() => tick(transcript), 1000);
  await followAgents(client, () => page.sessionId === null && !document.hidden, takeAgents);
}

function takeAgents({ agents, temporal_ui: temporalUi, problems }) {
  const before = offered();
  Object.assign(page, { agents, temporalUi, problems });
  page.agent = agentNamed(page.agent?.name ?? FIRST_AGENT) ?? agents[0] ?? null;
  if (offered() !== before) drawNewChat();
  if (page.hurried) submit();
  draw();
}

/** Shows a session, or a new chat for null. */
function open(sessionId) {
  if (page.sessionId !== null && page.sessionId === sessionId) return;
  page.live?.close();
  Object.assign(page, { sessionId, live: null, view: emptyView(), stopping: null, connection: null });
  transcript.replaceChildren();
  transcript.keyedNodes = undefined;
  if (sessionId) {
    localStorage.setItem(REMEMBERED, sessionId);
    if (fromAddress() !== sessionId) history.replaceState(null, '', `#session=${encodeURIComponent(sessionId)}`);
    watch(sessionId);
  } else {
    localStorage.removeItem(REMEMBERED);
    if (location.hash) history.replaceState(null, '', location.pathname);
    welcome.replaceChildren();
    drawNewChat();
  }
  page.follow = true;
  showPanel(false);
  draw();
  sidebar.draw();
  box.focus();
}

async function watch(sessionId) {
  // A session whose first message is still on its way is made by it.
  if (outbox.of(sessionId).some((entry) => entry.create)) await outbox.settled(sessionId);
  if (page.sessionId !== sessionId || outbox.of(sessionId).some((entry) => entry.create && entry.state === 'failed'))
    return;
  const live = client.watch(sessionId, {
    last: OPENED,
    onState: (state) => {
      if (page.live !== live) return;
      page.connection = state;
      if (state.name === 'open') refreshFacts(live);
      if (state.error?.status === 404) localStorage.removeItem(REMEMBERED);
      draw();
    },
    onView: (view, event) => {
      if (page.live !== live) return;
      page.view = view;
      if (event.type === 'turn.finished') page.stopping = null;
      if (['turn.finished', 'message.queued', 'agent.updated'].includes(event.type)) refreshFacts(live);
      if (/^(turn|approval|input|session\.closed)/.test(unwrapped(event).event.type)) sidebar.refreshSoon();
      if (event.type === 'message.added') outbox.drop([event.message.id]);
      if (event.type === 'session.snapshot') outbox.drop(event.messages.map((message) => message.id));
      draw();
    },
  });
  page.live = live;
}

function refreshFacts(live) {
  // A burst of events, as after a reload, asks once.
  clearTimeout(live.refreshTimer);
  live.refreshTimer = setTimeout(() => live.refresh().catch(() => {}), 60);
}

function submit() {
  const text = box.value.trim();
  if ((!text && attachments.empty) || page.view.closed) return;
  if (attachments.busy) return void attachments.settled().then(submit);
  if (attachments.failed) return notice('Remove the files that could not be added, or try again.');
  const isNew = page.sessionId === null;
  page.hurried = isNew && page.agents === null;
  if (page.hurried) return;
  if (isNew && !page.agent) return notice('This server has no agent to talk to.');
  const inputs = isNew ? readInputs(welcome) : {};
  if (inputs === null) return;
  const sessionId = page.sessionId ?? newId();
  const create = isNew ? { agent: page.agent.name, inputs } : null;
  outbox.send({ sessionId, messageId: newId(), text, files: attachments.take(), create });
  box.value = '';
  localStorage.removeItem(DRAFT);
  fitBox();
  page.follow = true;
  if (isNew) {
    open(sessionId);
    sidebar.refreshSoon();
  }
  draw();
}

async function stop() {
  const turn = runningTurn();
  page.stopping = turn?.id ?? 'any';
  draw();
  try {
    await client.stop(page.sessionId, turn?.id);
  } catch (error) {
    page.stopping = null;
    notice(`The answer could not be stopped. ${error.message}`);
  }
}

function drawPage() {
  const { view, sessionId, agent } = page;
  const waiting = sessionId ? outbox.of(sessionId) : [];
  const name = sessionId
    ? (view.session.agent ?? waiting.find((entry) => entry.create)?.create.agent ?? '')
    : (agent?.name ?? '');
  const working = runningTurn() !== undefined || view.status === 'working';
  welcome.hidden = sessionId !== null;
  drawRefused(byId('refused'), sessionId === null ? page.problems : NONE);
  drawTranscript(transcript, view, waiting, actions);
  earlier.draw(view);
  const { temporalUi, connection } = page;
  // For a new chat, what was picked.
  const known = sessionId ? agentNamed(name) : agent;
  drawTopbar({ view, sessionId, name, agent: known, temporalUi, connection });
  byId('stop').hidden = !working;
  byId('stop').disabled = page.stopping !== null;
  drawComposer();
  // A new chat is read from its top.
  if (page.follow && sessionId !== null) scroll.scrollTop = scroll.scrollHeight;
  byId('to-latest').hidden = page.follow || sessionId === null;
  // The list is drawn anew only for what it shows, not for each fragment of an answer.
  const entry = JSON.stringify(currentEntry());
  if (entry !== page.listEntry) sidebar.draw();
  page.listEntry = entry;
}

function drawComposer() {
  const closed = page.view.closed !== null;
  const gone = page.connection?.name === 'failed';
  box.disabled = closed || gone;
  box.placeholder = closed ? 'This session is closed' : gone ? 'This session cannot be opened' : 'Write a message';
  byId('attach').disabled = box.disabled;
  byId('send').disabled = box.disabled || !(box.value.trim() || !attachments.empty);
}

function drawNewChat() {
  const pick = (name) => {
    page.agent = agentNamed(name);
    drawNewChat();
    draw();
    byId('agent').focus();
  };
  drawWelcome(welcome, page.agents, page.agent, pick);
}

function currentEntry() {
  const { sessionId, view } = page;
  if (!sessionId) return null;
  const first = outbox.of(sessionId)[0];
  const title = (textOf(view.turns[0]?.messages[0]) || first?.text || '').slice(0, 80);
  const { agent, created_at: createdAt } = view.session;
  if (page.connection?.name === 'failed' || (!view.seq && !first)) return { session_id: sessionId };
  const made = createdAt ?? new Date(first?.at ?? Date.now()).toISOString();
  return {
    session_id: sessionId,
    agent: agent ?? first?.create?.agent,
    status: openBelow(view).length ? 'waiting' : view.status,
    parent: view.session.parent?.session_id,
    created_at: made,
    cost_usd: view.cost_usd,
    title,
  };
}

const actions = {
  // What a sub-agent asks is answered at its own session.
  answer: ({ session_id: id = page.sessionId, question_id: question }, body, options) =>
    client.answer(id, question, body, options),
  readBelow: (way) => page.live.readBelow(way),
  retry: (messageId) => outbox.retry(messageId).then(() => page.live || watch(page.sessionId)),
  discard: (messageId) => {
    const [entry] = outbox.of(page.sessionId).filter((one) => one.messageId === messageId);
    outbox.drop([messageId]);
    if (entry?.create && !page.live) open(null);
    if (entry && !box.value) box.value = entry.text;
    if (entry?.files) attachments.restore(entry.files);
    fitBox();
    draw();
  },
};

const runningTurn = () => page.view.turns.findLast((turn) => turn.status === 'running');
const offered = () => JSON.stringify([page.agents?.map(({ name }) => name), page.agent]);
const agentNamed = (name) => page.agents?.find((agent) => agent.name === name) ?? null;
const fromAddress = () => new URLSearchParams(location.hash.slice(1)).get('session');

function fitBox() {
  box.style.height = 'auto';
  box.style.height = `${Math.min(box.scrollHeight, 220)}px`;
  drawComposer();
}

function drawIcons() {
  const icons = { 'open-sidebar': 'menu', 'close-sidebar': 'cross', attach: 'clip', send: 'send', stop: 'stop' };
  for (const [id, name] of Object.entries(icons)) byId(id).append(icon(name));
}

function addFiles(files) {
  if (box.disabled) return;
  const tooMany = attachments.add(files);
  if (tooMany) notice(`A message takes 20 files; ${tooMany} more were left out.`);
  box.focus();
}

function listen() {
  listenToPanel();
  takeFiles(addFiles);
  byId('composer').addEventListener('submit', (event) => (event.preventDefault(), submit()));
  byId('stop').addEventListener('click', stop);
  byId('new-chat').addEventListener('click', () => open(null));
  byId('to-latest').addEventListener('click', () => ((page.follow = true), draw()));
  byId('model').addEventListener('change', (event) =>
    client.configure(page.sessionId, { model: event.target.value }).catch((error) => notice(error.message)),
  );
  box.addEventListener('keydown', (event) => {
    // While an input method composes, Enter picks a word.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });
  box.addEventListener('input', () => (localStorage.setItem(DRAFT, box.value), fitBox()));
  scroll.addEventListener('scroll', () => {
    page.follow = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
    byId('to-latest').hidden = page.follow || page.sessionId === null;
  });
  // A picture that is loaded makes the conversation longer.
  scroll.addEventListener('load', draw, true);
  addEventListener('hashchange', () => open(fromAddress()));
  addEventListener('online', () => page.live?.stream.wake());
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) return;
    page.live?.stream.wake();
    sidebar.refresh();
  });
}

start();
