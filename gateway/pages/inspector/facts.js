/** What is told of a session as a whole, above its timeline. */
import { h } from '../shared/dom.js';
import { inspectorAddress } from '../shared/addresses.js';
import { ESTIMATED, cost, fullTime, inputTokens, modelName, outputTokens } from '../shared/format.js';

export function drawFacts(node, view, sessionId) {
  const { session, usage } = view;
  const { parent, forked_from: forked } = session;
  const lastModel = view.turns.flatMap((turn) => turn.messages).findLast((message) => message.model)?.model;
  const rows = [
    ['Model', modelName(session.use ?? lastModel)],
    ['Cost', cost(view.cost_usd, usage)],
    ['Input tokens', inputTokens(usage)],
    ['Output tokens', outputTokens(usage)],
    ['Counts', usage.estimated && ESTIMATED],
    ['Created', fullTime(session.created_at)],
    ['User', session.user ?? ''],
    ['Session', sessionId],
    ['Called by', parent && `${parent.session_id}, ${parent.call_id}`, parent && inspectorAddress(parent.session_id)],
    ['Forked from', forked && `${forked.session_id}, ${forked.turn_id}`, forked && inspectorAddress(forked.session_id, { turn: forked.turn_id })],
  ].filter(([, value]) => value);
  const drawn = JSON.stringify(rows);
  if (node.drawn === drawn) return;
  node.drawn = drawn;
  node.replaceChildren(...rows.map(([name, value, href]) => h('div', {}, h('dt', {}, name), h('dd', {}, href ? h('a', { href }, value) : value))));
}
