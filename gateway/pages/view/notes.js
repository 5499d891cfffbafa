/** Notes that a session itself puts into its conversation, as messages of the user's role: of a timer that fired, or of a rewind. Pure. */

/** Names that only sessions give to data parts. */
const NAMES = new Set(['timer', 'rewound']);

/** What the note says, {name, value}; null: the message is none. */
export function noteOf({ role, parts }) {
  const [part] = parts;
  const is = role === 'user' && parts.length === 1 && part.type === 'data' && NAMES.has(part.name);
  return is && typeof part.value?.note === 'string' ? part : null;
}

/** A message that a person wrote. */
export const isSaid = (message) => message.role === 'user' && noteOf(message) === null;
