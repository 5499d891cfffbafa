/** A model call that fails and is tried again: why, which model, and when the next attempt begins. */
import { h, setText } from '../shared/dom.js';
import { sentence } from '../shared/format.js';

/** Draws it behind `place`. `node`: what was returned before; `message`: an answer that has not come yet, or null. */
export function drawTrouble(place, node, message) {
  const { trouble, model } = message ?? {};
  if (!trouble) return void node?.remove();
  if (!node) place.after((node = h('div', { class: 'trouble' }, h('p', { role: 'status' }), h('p', { class: 'why' }))));
  const { error, failures, retry_at: due } = trouble;
  const lost = error.type === 'worker_died';
  Object.assign(node.dataset, { due: due ?? '', next: failures + 1, model: lost ? '' : (model ?? '') });
  setText(node.firstChild, lost ? 'The worker that wrote this answer was lost; another one picks it up.' : sentence(error.message));
  tickTrouble(node);
  return node;
}

/** Lets the times until next attempts go on; call it about once a second. */
export function tickTroubles(container) {
  for (const node of container.getElementsByClassName('trouble')) tickTrouble(node);
}

function tickTrouble(node) {
  const { due, next, model } = node.dataset;
  const left = due ? Math.ceil((Date.parse(due) - Date.now()) / 1000) : 0;
  const when = left > 0 ? `attempt ${next} begins in ${left} s` : `attempt ${next} is under way`;
  const words = [model, when].filter(Boolean).join(': ');
  setText(node.lastChild, model ? words : words[0].toUpperCase() + words.slice(1));
}
