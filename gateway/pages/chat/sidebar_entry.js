/** The open session as an entry of the list, newer than what the server lists. */
import { openBelow } from '../../client.js';
import { titleOf } from '../shared/format.js';

/** `first`: its first message that is still on its way; `failed`: it cannot be shown. */
export function entryOf({ sessionId, view, first, failed }) {
  if (failed || (!view.seq && !first)) return { session_id: sessionId };
  const { agent, created_at: createdAt, parent } = view.session;
  return {
    session_id: sessionId,
    agent: agent ?? first?.create?.agent,
    status: openBelow(view).length ? 'waiting' : view.status,
    parent: parent?.session_id,
    created_at: createdAt ?? new Date(first?.at ?? Date.now()).toISOString(),
    cost_usd: view.cost_usd,
    title: titleOf(view) || (first?.text ?? '').slice(0, 80),
  };
}
