/** What ArrowUp brings back into the text box. */
import { isSaid } from '../view/notes.js';
import { textOf } from '../shared/format.js';

/** The texts that were said in the session of this view, those that still wait among them, the newest last. */
export function everySaid({ turns, queued }) {
  const said = [...turns.flatMap(({ messages }) => messages).filter(isSaid), ...queued.map(({ message }) => message)];
  return said.map(textOf).filter(Boolean);
}
