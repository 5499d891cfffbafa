/** The line above the conversation of the chat page: who answers, what it cost so far, and ways out of the page. */
import { openBelow } from '../../client.js';
import { chatAddress, inspectorAddress } from '../shared/addresses.js';
import { byId, h, setText } from '../shared/dom.js';
import { ESTIMATED, cost, temporalLink, titleOf } from '../shared/format.js';
import { tooMany } from '../shared/limited.js';
import { isMissing } from './missing.js';
import { drawTab } from './tab_status.js';

/**
 * `sessionId`: null for a new chat. `title`: as the list of sessions has it. `name`: of the agent, `agent`: what the server says of it, null while it is not known.
 * `connection`: the stream's state, as `client.js` gives it.
 */
export function drawTopbar({ view, sessionId, name, title, agent, temporalUi, connection }) {
  const known = sessionId !== null && view.seq > 0;
  const { parent, demo } = view.session;
  setText(byId('agent-name'), name || 'Perdure');
  drawTab((title || titleOf(view)).slice(0, 60), known ? statusOf(view) : 'idle');
  byId('demo').hidden = !(sessionId ? (demo ?? agent?.demo) : agent?.demo);
  setText(byId('cost'), known && view.cost_usd !== 0 ? cost(view.cost_usd, view.usage) : '');
  byId('cost').title = known && view.usage?.estimated ? ESTIMATED : 'What this session has cost so far';
  drawLink('above', known && parent && chatAddress(parent.session_id));
  drawLink('inspector', known && inspectorAddress(sessionId));
  drawLink('temporal', temporalLink(temporalUi, view.session.workflow_id));
  drawModels(sessionId, view, agent);
  drawConnection(connection ?? {});
}

const statusOf = (view) => (openBelow(view).length ? 'waiting' : view.status);

function drawConnection({ name, error, retryIn }) {
  const node = byId('connection');
  const words = {
    waiting: tooMany(error, retryIn) ?? 'Reconnecting…',
    failed: isMissing({ name, error }) ? '' : error?.message,
  };
  const lost = name === 'waiting' || name === 'failed' || (name === 'connecting' && node.wasLost);
  node.wasLost = lost;
  setText(node, lost ? (words[name] ?? words.waiting) : '');
  node.dataset.state = lost ? name : '';
}

function drawModels(sessionId, view, agent) {
  const roles = Object.keys(agent?.models ?? {});
  const shown = sessionId !== null && roles.length > 1 && !view.closed;
  byId('model-choice').hidden = !shown;
  if (!shown) return;
  const select = byId('model');
  const current = view.session.model ?? agent.model;
  const names = roles.map((role) => modelName(agent, role)).join();
  if (select.dataset.names !== names) {
    select.replaceChildren(...roles.map((role) => h('option', { value: role }, modelName(agent, role))));
    select.dataset.names = names;
  }
  if (document.activeElement !== select) select.value = current;
}

/** What its provider calls the model of a role, without the provider; the role as well where another has the same one. */
function modelName({ models, demo }, role) {
  const called = (one) => (demo ? 'demo' : models[one].split('/').slice(1).join('/'));
  const shared = Object.keys(models).some((other) => other !== role && called(other) === called(role));
  return shared ? `${called(role)} (${role})` : called(role);
}

function drawLink(id, href) {
  const link = byId(id);
  link.hidden = !href;
  if (href) link.href = href;
}
