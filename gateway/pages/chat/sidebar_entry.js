/** The open session as an entry of the list, newer than what the server lists. */
import { openBelow } from '../../client.js';
import { titleOf } from '../shared/format.js';

/** `first`: its first message that is still on its way; `failed`: it cannot be shown. `named`: as a person or a model called it. */
export function entryOf({ sessionId, view, first, failed }) {
  if (failed || (!view.seq && !first)) return { session_id: sessionId };
  const { agent, created_at: createdAt, parent, forked_from: source, title: named } = view.session;
  const last = view.turns.at(-1);
  return {
    session_id: sessionId,
    agent: agent ?? first?.create?.agent,
    status: openBelow(view).length ? 'waiting' : view.status,
    last_turn: last?.reason ?? null,
    parent: parent?.session_id,
    forked_from: source?.session_id,
    created_at: createdAt ?? new Date(first?.at ?? Date.now()).toISOString(),
    active_at: last?.finished_at ?? last?.started_at ?? last?.messages.at(-1)?.at ?? null,
    named,
    title: titleOf(view) || (first?.text ?? '').slice(0, 80),
  };
}
