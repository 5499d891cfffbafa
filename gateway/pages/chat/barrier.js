/** What whoever is signed in may not do here: said in place of a new chat, and of a text box that would only be refused. */
import { chatAddress } from '../shared/addresses.js';
import { h } from '../shared/dom.js';

/** What beginning a conversation needs, and how that reads. */
const NEEDED = {
  'agents:read': 'read which agents there are',
  'session:create': 'start conversations',
  'session:write': 'write messages',
};

/** `signIn`: a `SignIn`. → null: they can begin a conversation; else {title, text, session: the one that is theirs, or null}. */
export function barrier(signIn) {
  const { session } = signIn;
  if (session !== null)
    return { title: 'Your sign-in is for one conversation', text: 'It goes on in that one, and starts no other.', session };
  const missing = Object.keys(NEEDED).filter((scope) => !signIn.holds(scope));
  if (!missing.length) return null;
  const rights = missing.map((scope) => NEEDED[scope]).join(', and not ');
  const text = `Your sign-in may not ${rights}. Ask whoever gave you the key or token for ${missing.join(', ')}.`;
  return { title: 'You cannot start a conversation here', text, session };
}

export function drawBarrier(container, { title, text, session }) {
  const back = session && h('a', { href: chatAddress(session) }, 'Go to your conversation');
  container.replaceChildren(h('h2', {}, title), h('p', { class: 'description' }, text), ...(back ? [h('p', {}, back)] : []));
}
