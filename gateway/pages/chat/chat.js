/**
 * The chat page: one session at a time, found again by the address (`/chat/{session_id}`) or by what the browser remembers.
 *
 * Rule 1: what the conversation shows comes from the session's events; the page adds only what is on its way (outbox).
 * Rule 2: nothing typed is lost: an unsent draft and an unanswered message outlive a reload and a dead server.
 */
import { PerdureClient, emptyView, newId, openBelow, openQuestions } from '../../client.js';
import { unwrapped } from '../view/sub_views.js';
import { byId, icon, scheduler } from '../shared/dom.js';
import { Earlier, OPENED } from '../shared/earlier.js';
import { SignIn } from '../shared/sign_in.js';
import { lasting, ofTab } from '../shared/stores.js';
import { messageActions } from './actions.js';
import { followAddress, sessionInAddress, showInAddress } from './address.js';
import { followAgents } from './agents.js';
import { announceQuestions } from './announcer.js';
import { answering } from './answering.js';
import { Attachments } from './attachments.js';
import { barrier, drawBarrier } from './barrier.js';
import { BusyChoice } from './busy_choice.js';
import { Composer } from './composer.js';
import { takeFiles } from './dropping.js';
import { Find } from './find.js';
import { keepAtEnd } from './following.js';
import { listenToKeys } from './keys.js';
import { drawMissing, isMissing } from './missing.js';
import { notice } from './notice.js';
import { Outbox } from './outbox.js';
import { outgoing } from './outgoing.js';
import { listenToPanel, showPanel } from './panel.js';
import { drawQueue } from './queue.js';
import { Ratings } from './ratings.js';
import { everySaid } from './recall.js';
import { drawRefused } from './refused.js';
import { sessionsSide } from './sessions_side.js';
import { entryOf } from './sidebar_entry.js';
import { showShortcuts } from './shortcuts.js';
import { tellDisposition, toQuestion, waitsFor } from './standing.js';
import { Stopping, works } from './stopping.js';
import { Survivals } from './survivals.js';
import { drawTodo } from './todo.js';
import { drawTopbar } from './topbar.js';
import { drawTranscript, tick } from './transcript.js';
import { drawWelcome, readInputs } from './welcome.js';
import { drawWorkers } from './workers.js';

const FIRST_AGENT = 'assistant';
const REMEMBERED = 'perdure.session';
const NONE = [];
/** Events after which the session's own snapshot has more to tell. */
const REFRESHING = new Set(['turn.started', 'turn.finished', 'message.queued', 'agent.updated', 'transcript.rewound']);

const signIn = new SignIn(byId('signed-in'), takeRights);
const client = new PerdureClient({ renew: signIn.renew });
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
  /** What is shown is what this browser remembered; nobody asked for it. */
  recalled: false,
  connection: null,
};
const draw = scheduler(drawPage);
const outbox = new Outbox(client, lasting, draw, tellDisposition);
const composer = new Composer({ storage: lasting, send: submit, said: () => everySaid(page.view), onChange: drawComposer });
const busyChoice = new BusyChoice();
const attachments = new Attachments({ client, storage: lasting, list: byId('attachments'), onChange: draw });
const { sidebar, search } = sessionsSide({
  client,
  current: currentEntry,
  may: () => signIn.holds('session:write'),
  onDraw: () => draw(),
  onNamed: (id) => id === page.sessionId && page.live?.refresh().catch(() => {}),
  leave: () => composer.focus(),
});
const [scroll, transcript, welcome] = ['scroll', 'transcript', 'welcome'].map(byId);
const stopping = new Stopping({ client, page, onChange: draw, leave: () => composer.focus() });
const survivals = new Survivals(ofTab);
const ratings = new Ratings({ client, page, onChange: draw });
const find = new Find({ client, page, transcript, leave: () => composer.focus() });
const earlier = new Earlier({ button: byId('earlier'), scroll, read: () => page.live.readEarlier(), auto: true });

async function start() {
  drawIcons();
  listen();
  signIn.look();
  outbox.resume();
  const remembered = lasting.getItem(REMEMBERED);
  open(sessionInAddress() ?? remembered, { instead: true, recalled: sessionInAddress() === null });
  sidebar.refresh();
  setInterval(() => tick(transcript), 1000);
  await followAgents(client, {
    mayRead: () => signIn.holds('agents:read'),
    isShown: () => page.sessionId === null && !document.hidden,
    onChange: takeAgents,
    onRefused: () => signIn.look(),
  });
}

function takeRights() {
  sidebar.draw();
  if (page.sessionId === null) drawNewChat();
  draw();
}

function takeAgents({ agents, temporal_ui: temporalUi, problems, live }) {
  const before = offered();
  Object.assign(page, { agents, temporalUi, problems });
  // Cards that were made without them are made again.
  actions.answer = answering(client, page, agentNamed);
  byId('not-live').hidden = live !== 'missing';
  page.agent = agentNamed(page.agent?.name ?? FIRST_AGENT) ?? agents[0] ?? null;
  if (offered() !== before) drawNewChat();
  if (page.hurried) submit();
  draw();
}

/** Shows a session, or a new chat for null. `instead`: as in `showInAddress`; `recalled`: nobody asked for it. */
function open(sessionId, { instead = false, recalled = false } = {}) {
  showInAddress(sessionId, { instead });
  const shown = page.sessionId === sessionId && (sessionId !== null || welcome.children.length > 0);
  if (shown) return void (showPanel(false), composer.focus());
  page.live?.close();
  Object.assign(page, { sessionId, live: null, view: emptyView(), connection: null, recalled });
  stopping.reset();
  survivals.open(sessionId);
  ratings.reset();
  find.hide();
  composer.open(sessionId);
  attachments.open(sessionId);
  transcript.replaceChildren();
  transcript.keyedNodes = undefined;
  if (sessionId) {
    lasting.setItem(REMEMBERED, sessionId);
    watch(sessionId);
  } else {
    lasting.removeItem(REMEMBERED);
    welcome.replaceChildren();
    drawNewChat();
  }
  page.follow = true;
  busyChoice.reset();
  showPanel(false);
  draw();
  sidebar.draw();
  composer.focus();
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
      survivals.connection(state, page.view);
      if (state.name === 'open') refreshFacts(live);
      if (isMissing(state)) lasting.removeItem(REMEMBERED);
      if (isMissing(state) && page.recalled) return open(null, { instead: true });
      draw();
    },
    onView: (view, event) => {
      if (page.live !== live) return;
      page.view = view;
      survivals.hear(view, event);
      if (event.type === 'turn.finished') stopping.reset();
      if (REFRESHING.has(event.type)) refreshFacts(live);
      if (/^(turn|approval|input|budget|session\.closed)/.test(unwrapped(event).event.type)) sidebar.refreshSoon();
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

/** `interrupt`: whatever is chosen for messages that come while the session works. `text`: in place of what is in the box, which stays. */
function submit({ interrupt = false, text: given = null } = {}) {
  const text = given ?? composer.text;
  if ((!text && attachments.empty) || page.view.closed) return;
  const shown = page.sessionId;
  // Whoever has left for another session meanwhile finds it unsent.
  if (attachments.busy) return void attachments.settled().then(() => page.sessionId === shown && submit({ interrupt }));
  if (attachments.failed) return notice('Remove the files that could not be added, or try again.');
  const isNew = page.sessionId === null;
  const barred = isNew ? barrier(signIn) : null;
  if (barred) return notice(barred.text);
  page.hurried = isNew && page.agents === null;
  if (page.hurried) return;
  if (isNew && !page.agent) return notice('This server has no agent to talk to.');
  const inputs = isNew ? readInputs(welcome) : {};
  if (inputs === null) return;
  const busy = !isNew && works(page.view) ? (interrupt ? 'interrupt' : busyChoice.value) : undefined;
  if (busy === null) return notice('This agent takes no message while it works. Choose what your message does.');
  const sessionId = page.sessionId ?? newId();
  const create = isNew ? { agent: page.agent.name, inputs, metadata: { timezone } } : null;
  const said = given === null ? { text: composer.take(), files: attachments.take() } : { text, files: [] };
  outbox.send({ sessionId, messageId: newId(), ...said, create, busy });
  page.follow = true;
  if (isNew) {
    // Of a starter, what is in the box stays there.
    for (const part of [composer, attachments]) part.move(sessionId);
    open(sessionId);
    sidebar.refreshSoon();
  }
  draw();
}

function drawPage() {
  const { view, sessionId, agent } = page;
  const waiting = sessionId ? outbox.of(sessionId) : [];
  const name = sessionId
    ? (view.session.agent ?? waiting.find((entry) => entry.create)?.create.agent ?? '')
    : (agent?.name ?? '');
  welcome.hidden = sessionId !== null;
  drawMissing(byId('missing'), { shown: sessionId !== null && isMissing(page.connection), asks: signIn.asks, begin: () => open(null) });
  drawRefused(byId('refused'), sessionId === null ? page.problems : NONE);
  const { queue, pending } = outgoing(view, waiting);
  drawTranscript(transcript, view, pending, actions, (scope) => signIn.holds(scope), { survivals, ratings });
  earlier.draw(view);
  drawTodo(byId('todo'), view.todo, sessionId);
  drawQueue(byId('queue'), queue, waitsFor(view, transcript), actions);
  drawWorkers(byId('workers'), view, pending.filter(({ state }) => state !== 'failed'));
  const { temporalUi, connection } = page;
  // For a new chat, what was picked.
  const known = sessionId ? agentNamed(name) : agent;
  drawTopbar({ view, sessionId, name, title: sidebar.titleOf(sessionId), agent: known, temporalUi, connection });
  stopping.draw();
  find.draw(sessionId !== null && view.seq > 0);
  busyChoice.draw({ policy: known?.busy, status: view.status, shown: works(view) && !view.closed });
  announceQuestions(sessionId, [...openQuestions(view), ...openBelow(view)]);
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
  const barred = page.sessionId === null ? barrier(signIn) !== null : !signIn.holds('session:write');
  const { view, connection } = page;
  composer.draw({ closed: view.closed !== null, gone: connection?.name === 'failed', barred, sendable: !attachments.empty });
}

function drawNewChat() {
  const barred = barrier(signIn);
  if (barred) return drawBarrier(welcome, barred);
  const pick = (name) => {
    page.agent = agentNamed(name);
    drawNewChat();
    draw();
    byId('agent').querySelector(':checked').focus();
  };
  drawWelcome(welcome, page.agents, page.agent, { onPick: pick, onStart: (text) => submit({ text }) });
}

function currentEntry() {
  const { sessionId, view, connection } = page;
  return sessionId && entryOf({ sessionId, view, first: outbox.of(sessionId)[0], failed: connection?.name === 'failed' });
}

const agentNamed = (name) => page.agents?.find((agent) => agent.name === name) ?? null;
const actions = {
  answer: answering(client, page, agentNamed),
  readBelow: (way) => page.live.readBelow(way),
  rate: (turnId, score, text) => ratings.rate(turnId, score, text),
  retry: (messageId) => outbox.retry(messageId).then(() => page.live || watch(page.sessionId)),
  discard: (messageId) => {
    const [entry] = outbox.of(page.sessionId).filter((one) => one.messageId === messageId);
    outbox.drop([messageId]);
    if (entry?.create && !page.live) open(null);
    if (entry && !composer.text) composer.restore(entry.text);
    if (entry?.files) attachments.restore(entry.files);
    draw();
  },
  ...messageActions({ client, page, outbox, open }),
};

const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const offered = () => JSON.stringify([page.agents?.map(({ name }) => name), page.agent]);

function drawIcons() {
  const icons = { 'open-sidebar': 'menu', 'close-sidebar': 'cross', attach: 'clip', send: 'send', stop: 'stop' };
  for (const [id, name] of Object.entries(icons)) byId(id).append(icon(name));
}

function addFiles(files, folders = 0) {
  if (composer.box.disabled) return;
  const tooMany = attachments.add(files);
  if (tooMany) notice(`A message takes 20 files; ${tooMany} more were left out.`);
  else if (folders) notice('A folder cannot be added. Drop the files that are in it.');
  composer.focus();
}

function listen() {
  listenToPanel();
  listenToKeys({
    stop: () => stopping.stop(),
    newChat: () => open(null),
    search: () => (showPanel(true), search.show()),
    find: () => find.show(),
    answer: () => toQuestion(page.view, transcript),
  });
  byId('keys').addEventListener('click', showShortcuts);
  takeFiles(addFiles);
  byId('new-chat').addEventListener('click', () => open(null));
  byId('to-latest').addEventListener('click', () => ((page.follow = true), draw()));
  byId('model').addEventListener('change', (event) =>
    client.configure(page.sessionId, { model: event.target.value }).catch((error) => notice(error.message)),
  );
  keepAtEnd(page, scroll, transcript);
  followAddress(open);
  addEventListener('online', () => page.live?.stream.wake());
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) return;
    page.live?.stream.wake();
    sidebar.refresh({ whole: true });
  });
}

start();
