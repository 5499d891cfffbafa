/**
 * The inspector of one session: its identity, its cost, a timeline of its turns, and each step in full.
 *
 * Rule: the timeline comes from the session's live events; prompts, which are large, are requested one step at a time.
 */
import { PerdureClient, emptyView } from '/client.js';
import { everyTurn } from '../view/branches.js';
import { isCompaction, stepOf, turnOf } from '../view/ids.js';
import { unwrapped } from '../view/sub_views.js';
import { chatAddress, inspectorAddress } from '../shared/addresses.js';
import { Earlier, OPENED } from '../shared/earlier.js';
import { byId, scheduler, setText } from '../shared/dom.js';
import { outcome } from '../shared/endings.js';
import { STATUS, notHere, temporalLink } from '../shared/format.js';
import { tooMany } from '../shared/limited.js';
import { SignIn } from '../shared/sign_in.js';
import { drawFacts } from './facts.js';
import { askForFork } from './fork_dialog.js';
import { dearest, failures, nextOf } from './jumps.js';
import { listenToKeys, showKeys } from './keys.js';
import { Outline } from './outline.js';
import { drawDetail } from './step_detail.js';
import { StepLoader } from './step_loader.js';
import { drawTimeline, titleOf } from './timeline.js';
import { TracedSteps } from './traced_steps.js';
import { WaitsBelow } from './waits_below.js';
import { Walk } from './walk.js';

/** On smaller screens the step covers the timeline. */
const beside = matchMedia('(min-width: 821px)');

const sessionId = decodeURIComponent(location.pathname.split('/').filter(Boolean).at(-1));
const signIn = new SignIn(byId('signed-in'), () => draw());
const client = new PerdureClient({ renew: signIn.renew });
const page = {
  view: emptyView(),
  connection: null,
  temporalUi: null,
  selected: null,
  /** When the first token of a step was heard, by its id. */
  heard: new Map(),
  /** The place that the address names, until it is shown. */
  wanted: null,
  jumped: null,
  opener: null,
};
const draw = scheduler(drawPage);
const left = byId('timeline').parentElement;
const earlier = new Earlier({ button: byId('earlier'), scroll: left, read: () => page.live.readEarlier() });
const walk = new Walk({ scroll: left, timeline: byId('timeline') });
const traced = new TracedSteps({ client, sessionId, turns: () => page.view.turns, onChange: draw });
const below = new WaitsBelow({ view: () => page.view, read: readBelow });
const outline = new Outline(client, sessionId);
const loader = new StepLoader({ client, sessionId, previous: stepBefore, onChange: draw, onRefused: () => signIn.look() });

function start() {
  byId('chat').href = chatAddress(sessionId);
  byId('stop').addEventListener('click', stop);
  byId('keys').addEventListener('click', showKeys);
  byId('shared-scale').addEventListener('change', draw);
  byId('newest').addEventListener('click', toNewest);
  byId('failed').addEventListener('click', () => jump(failures, 'Failure'));
  byId('dearest').addEventListener('click', () => jump(dearest, 'Dearest'));
  addEventListener('hashchange', followAddress);
  addEventListener('online', () => page.live.stream.wake());
  document.addEventListener('visibilitychange', () => document.hidden || page.live.stream.wake());
  listenToKeys({
    row: (by) => followRow(walk.row(by, page.selected)),
    turn: (by) => followRow(walk.turn(by, page.selected)),
    close: () => (page.selected ? (close(), true) : false),
    newest: toNewest,
    failed: () => byId('failed').click(),
    dear: () => byId('dearest').click(),
    chat: () => byId('chat').click(),
  });
  page.live = client.watch(sessionId, { last: OPENED, onView, onState });
  followAddress();
  // Bars of what is still running grow with the clock.
  setInterval(() => runningTurn() && draw(), 200);
  loadTemporal();
  signIn.look();
}

function onState(state) {
  page.connection = state;
  if (state.name === 'open') refresh();
  draw();
}

function onView(view, event) {
  page.view = view;
  if (event.type === 'session.snapshot') traced.restart();
  if (event.type === 'step.delta' && event.n === 0) page.heard.set(event.step_id, Date.now());
  if (['session.snapshot', 'facts'].includes(event.type) && signIn.holds('session:trace')) traced.read();
  if (['turn.finished', 'agent.updated'].includes(event.type)) refresh();
  const stepId = event.step_id ?? (event.call_id && stepOf(event.call_id));
  if (page.selected && stepId === page.selected && /finished$|^step.started/.test(event.type) && signIn.holds('session:trace')) loader.load(page.selected);
  if (!/^(step\.(delta|snapshot)|tool\.progress)$/.test(unwrapped(event).event.type)) below.look();
  draw();
}

function refresh() {
  clearTimeout(page.refreshTimer);
  page.refreshTimer = setTimeout(() => page.live.refresh().catch(() => {}), 60);
}

async function loadTemporal() {
  for (let pause = 500; ; pause = Math.min(pause * 2, 4000)) {
    try {
      page.temporalUi = (await client.agents()).temporal_ui;
      return draw();
    } catch (error) {
      // Whoever may not read that does without the link.
      if (error.status === 403) return undefined;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

/** The step whose prompt is compared with that of `stepId`: before it on the same branch, as far as that is shown. */
async function stepBefore(stepId) {
  if (isCompaction(stepId)) return null;
  const { turns } = page.view;
  const here = turns.some(({ id }) => id === turnOf(stepId)) ? turns : everyTurn(page.view).map(({ turn }) => turn);
  const answers = here.flatMap(({ messages }) => messages.filter(({ role }) => role === 'assistant'));
  const idOf = (message) => message && (message.step_id ?? traced.found.get(message.id)?.step_id);
  const at = answers.findIndex((message) => idOf(message) === stepId);
  if (at === 0 && !page.view.earlier?.before) return null;
  return idOf(answers[at - 1]) ?? outline.before(stepId);
}

/** `focus`: on the step; else where it is. */
function pick(stepId, { focus = true } = {}) {
  if (page.selected === stepId) return;
  page.selected = stepId;
  loader.clear();
  history.replaceState(null, '', inspectorAddress(sessionId, stepId ? { step: stepId } : {}));
  if (!stepId) return draw();
  page.opener = document.activeElement.closest('button.row');
  if (signIn.holds('session:trace')) loader.load(stepId);
  drawPage();
  walk.keep({ stepId });
  if (focus) byId('detail').focus({ preventScroll: true });
}

/** The focus goes back to where the step was opened, or to its row. */
function close() {
  const { selected, opener } = page;
  pick(null);
  const row = opener?.dataset.step === selected && opener.isConnected ? opener : null;
  (row ?? byId('timeline').querySelector(`[data-step="${CSS.escape(selected)}"]`) ?? byId('timeline')).focus();
}

/** With a step beside the timeline, the step of the row that is gone to takes its place. */
function followRow(row) {
  if (page.selected && beside.matches && row?.dataset.step) pick(row.dataset.step, { focus: false });
}

function move(by) {
  const steps = walk.steps();
  const stepId = steps[steps.indexOf(page.selected) + by];
  if (!stepId) return;
  pick(stepId);
  walk.show({ stepId });
}

function toNewest() {
  setText(byId('jumped'), '');
  page.jumped = null;
  walk.toEnd();
  byId('timeline').lastElementChild?.focus({ preventScroll: true });
}

/** Goes to the next of the places that `find` tells, in turns that are not shown yet as well. `word`: what such a place is. */
async function jump(find, word) {
  const said = (words) => setText(byId('jumped'), words);
  try {
    let steps = [];
    if (page.view.earlier?.before && signIn.holds('session:trace')) {
      said('Looking through the whole session…');
      steps = await outline.read();
    }
    const places = find(everyTurn(page.view).map(({ turn }) => turn), steps);
    const next = nextOf(places, page.jumped);
    if (!next) return said({ Failure: 'Nothing failed', Dearest: 'Nothing has a cost' }[word]);
    page.jumped = next.place;
    if (page.selected && beside.matches && next.place.stepId) pick(next.place.stepId, { focus: false });
    await reveal(next.place, { focus: true });
    said(`${word} ${next.number} of ${places.length}`);
  } catch (error) {
    said(`It could not be looked up. ${error.message}`);
  }
}

/** Shows a place of the timeline, for which older turns are loaded if need be. */
async function reveal(place, options) {
  const isThere = () => everyTurn(page.view).some(({ turn }) => turn.id === place.turnId);
  while (place.turnId && !isThere() && page.view.earlier?.before) await page.live.readEarlier();
  drawPage();
  walk.show(place, options);
}

/** Shows the place that the address names, as soon as it is drawn or is known to be further back. */
function lookForWanted({ turns, earlier: further }) {
  const place = page.wanted;
  const isBefore = place.turnId && further?.before && turns.length && !turns.some(({ id }) => id === place.turnId);
  if (!walk.find(place, { exact: true }) && !isBefore) return;
  page.wanted = null;
  reveal(place, { focus: !place.stepId }).catch(() => {});
}

/** `#step=t3.s1` opens a step, `#turn=t3` shows a turn. */
function followAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const [stepId, turnId] = [given.get('step'), given.get('turn')];
  if (stepId) {
    pick(stepId);
    page.wanted = { stepId, turnId: isCompaction(stepId) ? null : turnOf(stepId) };
  } else if (turnId) page.wanted = { turnId };
  else if (page.selected) pick(null);
  if (page.wanted) walk.leaveEnd();
  draw();
}

async function stop() {
  byId('stop').disabled = true;
  try {
    await client.stop(sessionId, runningTurn()?.id);
  } catch (error) {
    setText(byId('connection'), `The turn could not be stopped. ${error.message}`);
  }
  byId('stop').disabled = false;
}

function fork(turnId) {
  const { turn } = everyTurn(page.view).find((one) => one.turn.id === turnId);
  askForFork({
    turn: { id: turnId, title: titleOf(turn) },
    agent: page.view.session.agent,
    readAgents: () => client.agents().then(({ agents }) => agents, () => []),
    fork: async (choices) => {
      const { session_id: made } = await client.fork(sessionId, turnId, choices);
      location.assign(inspectorAddress(made));
    },
  });
}

function drawPage() {
  const { view, selected } = page;
  const { session } = view;
  setText(byId('agent-name'), session.agent ?? 'Session');
  document.title = session.agent ? `${session.agent}, inspector · Perdure` : 'Inspector · Perdure';
  byId('status').hidden = view.seq === 0;
  byId('status').firstChild.dataset.status = view.status;
  setText(byId('status').lastChild, STATUS[view.status]);
  byId('demo').hidden = !session.demo;
  byId('stop').hidden = !runningTurn() || !signIn.holds('session:write');
  const temporal = temporalLink(page.temporalUi, session.workflow_id);
  byId('temporal').hidden = !temporal;
  if (temporal) byId('temporal').href = temporal;
  drawConnection();
  drawFacts(byId('facts'), view, sessionId);
  byId('empty').hidden = view.turns.length > 0 || view.seq === 0;
  const options = { traced: traced.found, heard: page.heard, now: Date.now(), selected, shared: byId('shared-scale').checked, pick, fork: signIn.holds('session:fork') ? fork : null };
  drawTimeline(byId('timeline'), view, options);
  earlier.draw(view);
  byId('detail').hidden = !selected;
  document.body.classList.toggle('with-detail', selected !== null);
  if (selected) drawSelected(view, selected);
  if (page.wanted) lookForWanted(view);
}

function drawSelected(view, selected) {
  const turn = everyTurn(view).find((one) => one.turn.messages.some((message) => message.step_id === selected))?.turn;
  const message = turn?.messages.find((one) => one.step_id === selected);
  const { step, error, before } = loader;
  // Why a turn failed is told by its end, not by its last step.
  const failure = turn?.status === 'finished' && turn.messages.at(-1) === message ? outcome(turn) : null;
  const given = { stepId: selected, step, message, tools: turn?.tools, failure, error, before, readBelow, traced: signIn.holds('session:trace') };
  drawDetail(byId('detail'), given, { close, move, show: pick });
}

function drawConnection() {
  const { name, error, retryIn } = page.connection ?? {};
  const lost = name === 'waiting' || name === 'failed' || (name === 'connecting' && page.wasLost);
  page.wasLost = lost;
  const words = error?.status === 404 ? notHere(signIn.asks) : error?.message;
  setText(byId('connection'), lost ? (name === 'failed' ? words : (tooMany(error, retryIn) ?? 'Reconnecting…')) : '');
  byId('connection').dataset.state = lost ? name : '';
}

function readBelow(way) {
  return page.live.readBelow(way);
}
const runningTurn = () => page.view.turns.findLast((turn) => turn.status === 'running');

start();
