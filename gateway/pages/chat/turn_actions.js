/** What can be done with a finished turn: copy its answer, rate it, answer again, fork, go to an answer that was given before. */
import { isSaid } from '../view/notes.js';
import { textOf } from '../shared/format.js';
import { arrows } from './arrows.js';
import { copyButton, iconButton } from './buttons.js';
import { drawThumbs, makeThumbs } from './thumbs.js';

/**
 * `place`: where branches part at an answer of the turn, or null; `branching`: as in `said.js`, also `forks`, `score` (null where the turn
 * cannot be rated), `why` (where a bad score is explained), and of its actions {fork(turnId), rate(turnId, score, text)}.
 */
export function drawTurnActions(node, turn, place, { rests, forks, score, why, actions }) {
  const asked = turn.messages.findLast(isSaid);
  const said = turn.messages.filter((message) => message.role === 'assistant').map(textOf).filter(Boolean).join('\n\n');
  const over = turn.status === 'finished' && turn.id !== null;
  const rates = over && said.length > 0 && score !== null;
  const offered = JSON.stringify([over, rests, forks, rates, asked?.id, said.length, place]);
  node.thumbs ??= makeThumbs();
  if (rates) drawThumbs(node.thumbs, { score, rate: (...given) => actions.rate(turn.id, ...given), place: why });
  if (node.offered === offered) return;
  node.offered = offered;
  const buttons = [over && said && copyButton('Copy the answer', () => said)];
  if (rates) buttons.push(node.thumbs);
  if (over && rests && asked) buttons.push(iconButton('Answer again', 'again', () => actions.rewind(asked)));
  if (over && forks) buttons.push(iconButton('Fork the session from here', 'fork', () => actions.fork(turn.id)));
  if (place) buttons.push(arrows(place, { rests, actions }));
  node.replaceChildren(...buttons.filter(Boolean));
}
