/** What the chat page shows in place of a session that there is not, or that is somebody else's. */
import { h } from '../shared/dom.js';
import { notHere } from '../shared/format.js';

/** What the server answers then; 422: the address names what can be no session. */
const MISSING = new Set([404, 422]);

/** `connection`: the stream's state, as `client.js` gives it. */
export const isMissing = (connection) => connection?.name === 'failed' && MISSING.has(connection.error?.status);

/** Draws into `container` where `shown`. `asks`: the server asks people who they are. `begin()` shows a new chat. */
export function drawMissing(container, { shown, asks, begin }) {
  if (container.hidden === !shown) return;
  container.hidden = !shown;
  if (!shown) return void container.replaceChildren();
  container.replaceChildren(
    h('h2', {}, 'Nothing to show here'),
    h('p', { class: 'description' }, `${notHere(asks)}. The list of sessions has those that you can open.`),
    h('p', {}, h('button', { type: 'button', class: 'button', onclick: begin }, 'Start a new chat')),
  );
}
