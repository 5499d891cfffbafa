/**
 * What has no turn yet: the messages that wait for one, and those of this page that the session has not shown. Pure.
 *
 * Rule: each message is in one place: shown by the session, in its queue, or here as it is on its way.
 */
import { textOf } from '../shared/format.js';

const REJECTED = {
  busy: 'The agent takes no message while it works.',
  session_closed: 'The session is closed.',
  conflict: 'Another message has the same id.',
};

/** `outbox`: the page's entries for the session. → {queue, pending}, for `queue.js` and `pending.js`. */
export function outgoing(view, outbox) {
  const sent = new Map(outbox.map((entry) => [entry.messageId, entry]));
  const queue = view.queued.map(({ id, message, busy }) => ({
    busy: busy ?? 'queue',
    messageId: id,
    text: message ? textOf(message) : (sent.get(id)?.text ?? ''),
    files: message ? message.parts.filter((part) => part.type === 'file') : (sent.get(id)?.files ?? []),
    state: 'queued',
  }));
  // Most of the time nothing is on its way, and a session may be long.
  if (!outbox.length) return { queue, pending: [] };
  const shown = view.turns.flatMap((turn) => turn.messages.map((message) => message.id));
  const known = new Set([...shown, ...queue.map((entry) => entry.messageId)]);
  const rejected = new Map(view.rejected.map((entry) => [entry.id, entry.reason]));
  const pending = [];
  for (const entry of outbox.filter(({ messageId: id }) => !known.has(id) && rejected.get(id) !== 'withdrawn')) {
    const reason = rejected.get(entry.messageId);
    if (reason) pending.push({ ...entry, state: 'failed', error: REJECTED[reason] ?? reason });
    else if (waits(view, entry)) queue.push(entry);
    else pending.push(entry);
  }
  return { queue, pending };
}

const waits = ({ status }, { state, create }) => ['working', 'waiting'].includes(status) && state !== 'failed' && !create;
