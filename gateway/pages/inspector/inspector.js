/**
 * The inspector of one session: its identity, its cost, a timeline of its turns, and each step in full.
 *
 * Rule: the timeline comes from the session's live events; prompts, which are large, are requested one step at a time.
 */
import { PerdureClient, emptyView } from '../../client.js';
import { everyTurn } from '../view/branches.js';
import { stepOf } from '../view/ids.js';
import { unknownBelow, unwrapped } from '../view/sub_views.js';
import { chatAddress } from '../shared/addresses.js';
import { Earlier, OPENED } from '../shared/earlier.js';
import { byId, h, scheduler, setText } from '../shared/dom.js';
import { ESTIMATED, STATUS, cost, fullTime, inputTokens, notHere, outputTokens, temporalLink } from '../shared/format.js';
import { tooMany } from '../shared/limited.js';
import { SignIn } from '../shared/sign_in.js';
import { drawDetail } from './step_detail.js';
import { drawTimeline } from './timeline.js';

/** A number behind that of any step. */
const NEWEST = 2 ** 31;
/** Turns beyond which the newest is a click away. */
const MANY = 10;
/** Sub-agents whose waits are shown in the timeline; older ones are a click away. */
const MOST_READ = 50;

const sessionId = decodeURIComponent(location.pathname.split('/').filter(Boolean).at(-1));
const signIn = new SignIn(byId('signed-in'), () => draw());
const client = new PerdureClient({ renew: signIn.renew });
const page = {
  view: emptyView(),
  connection: null,
  temporalUi: null,
  selected: null,
  step: null,
  error: null,
  traced: new Map(),
  /** Sessions of sub-agents that have been read, or are being read. */
  read: new Set(),
  reading: false,
};
const draw = scheduler(drawPage);
const left = byId('timeline').parentElement;
const earlier = new Earlier({ button: byId('earlier'), scroll: left, read: () => page.live.readEarlier() });

function start() {
  page.selected = fromAddress();
  byId('chat').href = chatAddress(sessionId);
  byId('stop').addEventListener('click', stop);
  byId('shared-scale').addEventListener('change', draw);
  byId('newest').addEventListener('click', () => (left.scrollTop = left.scrollHeight));
  addEventListener('hashchange', () => pick(fromAddress()));
  addEventListener('keydown', (event) => event.key === 'Escape' && page.selected && pick(null));
  addEventListener('online', () => page.live.stream.wake());
  document.addEventListener('visibilitychange', () => document.hidden || page.live.stream.wake());
  page.live = client.watch(sessionId, { last: OPENED, onView, onState });
  if (page.selected) load(page.selected);
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
  if (event.type === 'session.snapshot') loadTrace();
  if (['turn.finished', 'agent.updated'].includes(event.type)) refresh();
  const stepId = event.step_id ?? (event.call_id && stepOf(event.call_id));
  if (page.selected && stepId === page.selected && /finished$|^step.started/.test(event.type)) load(page.selected);
  if (!/^(step\.(delta|snapshot)|tool\.progress)$/.test(unwrapped(event).event.type)) readSubAgents();
  draw();
}

/** One after the other: browsers open few connections to a server, and each of these holds one. */
async function readSubAgents() {
  if (page.reading) return;
  page.reading = true;
  const next = () => unknownBelow(page.view).find((way) => !page.read.has(way.at(-1).session_id));
  for (let way = next(); way && page.read.size < MOST_READ; way = next()) {
    page.read.add(way.at(-1).session_id);
    // A session that no longer exists has nothing to show.
    await page.live.readBelow(way).catch(() => {});
  }
  page.reading = false;
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

/** A long session's stream begins with a snapshot, which lacks the times of its steps: the trace has them. */
async function loadTrace() {
  if (!signIn.holds('session:trace')) return;
  try {
    for (let before = NEWEST; before !== null;) {
      const { steps, previous_cursor: previous = null } = await client.trace(sessionId, { before, limit: 20 });
      for (const { prompt, request, ...step } of steps) if (step.message) page.traced.set(step.message.id, step);
      draw();
      // Steps before those of the turns that are shown can wait.
      before = page.view.turns.some((turn) => turn.id === steps[0]?.turn_id) ? previous : null;
    }
  } catch (error) {
    page.error = error.message;
  }
}

/** Requests one step; until it arrives, the detail shows what the events contain. */
async function load(stepId) {
  page.error = null;
  if (!signIn.holds('session:trace')) return;
  try {
    const { steps } = await client.trace(sessionId, { step: stepId });
    if (page.selected !== stepId) return;
    page.step = steps[0] ?? null;
    if (!page.step) page.error = 'This step is no longer kept.';
  } catch (error) {
    if (error.status === 403) await signIn.look();
    if (page.selected === stepId) page.error = `The step could not be loaded. ${error.message}`;
  }
  draw();
}

function pick(stepId) {
  if (page.selected === stepId) return;
  Object.assign(page, { selected: stepId, step: null, error: null });
  history.replaceState(null, '', stepId ? `#step=${encodeURIComponent(stepId)}` : location.pathname);
  if (stepId) {
    load(stepId);
    drawPage();
    byId('detail').focus({ preventScroll: true });
  } else draw();
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

async function fork(turnId, button) {
  button.disabled = true;
  try {
    const { session_id: made } = await client.fork(sessionId, turnId);
    location.assign(`/sessions/${encodeURIComponent(made)}`);
  } catch (error) {
    setText(byId('connection'), `The session could not be forked. ${error.message}`);
    button.disabled = false;
  }
}

function drawPage() {
  const { view, selected, step, error } = page;
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
  drawFacts();
  byId('empty').hidden = view.turns.length > 0 || view.seq === 0;
  const options = { traced: page.traced, now: Date.now(), selected, shared: byId('shared-scale').checked, pick, fork: signIn.holds('session:fork') ? fork : null };
  drawTimeline(byId('timeline'), view, options);
  earlier.draw(view);
  byId('newest').hidden = view.turns.length < MANY;
  byId('detail').hidden = !selected;
  document.body.classList.toggle('with-detail', selected !== null);
  if (!selected) return;
  const turn = everyTurn(view).find((one) => one.turn.messages.some((message) => message.step_id === selected))?.turn;
  const message = turn?.messages.find((one) => one.step_id === selected);
  const given = { stepId: selected, step, message, tools: turn?.tools, error, readBelow, traced: signIn.holds('session:trace') };
  drawDetail(byId('detail'), given, () => pick(null));
}

function drawConnection() {
  const { name, error, retryIn } = page.connection ?? {};
  const lost = name === 'waiting' || name === 'failed' || (name === 'connecting' && page.wasLost);
  page.wasLost = lost;
  const words = error?.status === 404 ? notHere(signIn.asks) : error?.message;
  setText(byId('connection'), lost ? (name === 'failed' ? words : (tooMany(error, retryIn) ?? 'Reconnecting…')) : '');
  byId('connection').dataset.state = lost ? name : '';
}

function drawFacts() {
  const { view } = page;
  const { session, usage } = view;
  const lastModel = view.turns.flatMap((turn) => turn.messages).findLast((message) => message.model)?.model;
  const rows = [
    ['Model', session.use ?? lastModel ?? ''],
    ['Cost', cost(view.cost_usd, usage)],
    ['Input tokens', inputTokens(usage)],
    ['Output tokens', outputTokens(usage)],
    ['Counts', usage.estimated && ESTIMATED],
    ['Created', fullTime(session.created_at)],
    ['User', session.user ?? ''],
    ['Session', sessionId],
    ['Called by', session.parent && `${session.parent.session_id}, ${session.parent.call_id}`],
    ['Forked from', session.forked_from && `${session.forked_from.session_id}, ${session.forked_from.turn_id}`],
  ].filter(([, value]) => value);
  const drawn = JSON.stringify(rows);
  if (page.drawnFacts === drawn) return;
  page.drawnFacts = drawn;
  const fact = ([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, shown(name, value)));
  byId('facts').replaceChildren(...rows.map(fact));
}

/** The value of a fact; a session from which this one was forked is a link. */
function shown(name, value) {
  const { parent, forked_from: forked } = page.view.session;
  const other = { 'Called by': parent, 'Forked from': forked }[name];
  return other ? h('a', { href: `/sessions/${encodeURIComponent(other.session_id)}` }, value) : value;
}

const readBelow = (way) => page.live.readBelow(way);
const runningTurn = () => page.view.turns.findLast((turn) => turn.status === 'running');
const fromAddress = () => new URLSearchParams(location.hash.slice(1)).get('step');

start();
