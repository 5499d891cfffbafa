/** Messages that wait for their turn, and those that will have none. Pure. */

/**
 * The view once a message waits at `position`, from 1. `busy`: 'steer' if it joins the turn that runs, 'interrupt' if it has interrupted
 * that turn. Told again of the same message, its place, its text or what becomes of it is another one.
 */
export function queued(view, { message_id: id, message, position, busy = null }) {
  const known = view.queued.find((entry) => entry.id === id);
  const others = left(view, id);
  const entry = { id, message: message ?? known?.message ?? null, ...(busy && { busy }) };
  return { ...view, queued: others.toSpliced((position ?? others.length + 1) - 1, 0, entry) };
}

export function rejected(view, { message_id: id, reason }) {
  return { ...view, queued: left(view, id), rejected: [...view.rejected, { id, reason }] };
}

/** What still waits once the message with this id has its turn. */
export const left = (view, id) => view.queued.filter((entry) => entry.id !== id);
