/**
 * Signing in, wherever the server asks who is there: a dialog over the page, which stays as it is below it.
 *
 * Rule 1: the key goes to the server once, in a request's body. What stands for it then is a cookie that no script can read, so
 * that pictures and downloads have it, too, and nothing on the page could give it away.
 * Rule 2: what was refused waits for the sign-in and is then sent again; nothing typed is lost.
 * Rule 3: somebody else who signs in, or who signs out, leaves nothing of theirs in this browser.
 */
import { chatAddress } from './addresses.js';
import { h, setText } from './dom.js';
import { lasting, ofTab } from './stores.js';

const TARGET = '/v1/sign-in';
const WHO = 'perdure.who';
const OURS = /^perdure\./;

export class SignIn {
  #dialog = null;
  #done = null;
  /** Somebody else has signed in, and the page is about to be loaded anew for them. */
  #leaving = false;
  /** As the server says who is there; null until it has. */
  #known = null;

  /**
   * `badge`: an element that says who is signed in, with a button to sign out; hidden where nobody has. `onChange()`: after the
   * server said who is there.
   */
  constructor(badge, onChange) {
    Object.assign(this, { badge, onChange });
  }

  /** Whether the server asks people who they are. */
  get asks() {
    return this.#known?.asks ?? false;
  }

  /** The one session that whoever is there can reach; null: there may be many. */
  get session() {
    return this.#known?.session ?? null;
  }

  /** Whether whoever is there may do what `scope` allows, as far as the page knows. The server decides in any case. */
  holds(scope) {
    return this.#known?.scopes.includes(scope) ?? true;
  }

  /** For `PerdureClient`: opens the dialog. → once somebody has signed in. */
  renew = () => {
    this.#dialog ??= this.#open();
    return this.#dialog.promise;
  };

  /** Shows who is signed in. Where nobody is, the first refused request opens the dialog. */
  async look() {
    const response = await ask('GET').catch(() => null);
    if (response?.ok) this.#draw(await response.json());
    return Boolean(response?.ok);
  }

  #open() {
    const known = lasting.getItem(WHO) !== null;
    const key = h('input', {
      id: 'sign-in-key',
      type: 'password',
      autocomplete: 'current-password',
      spellcheck: 'false',
      required: true,
      'aria-describedby': 'sign-in-hint sign-in-problem',
    });
    const problem = h('p', { id: 'sign-in-problem', class: 'problem', role: 'alert' });
    const button = h('button', { class: 'button wide primary', type: 'submit' }, 'Sign in');
    const hint = known
      ? 'Your sign-in is over. Sign in again to go on where you were; what you typed is still here.'
      : 'This server asks who you are. Use an API key, or a token that your app gave you.';
    const form = h(
      'form',
      { class: 'sign-in-form' },
      mark(),
      h('h2', { id: 'sign-in-title' }, known ? 'Sign in again' : 'Sign in'),
      h('p', { id: 'sign-in-hint', class: 'faint' }, hint),
      h('label', { for: 'sign-in-key' }, 'Key or token'),
      key,
      problem,
      button,
    );
    const dialog = h('dialog', { class: 'sign-in', 'aria-labelledby': 'sign-in-title' }, form);
    // There is nothing behind it to go back to.
    dialog.addEventListener('cancel', (event) => event.preventDefault());
    dialog.addEventListener('close', () => this.#dialog && dialog.isConnected && dialog.showModal());
    // Somebody may have signed in on another tab.
    const onFocus = async () => (await this.look()) && !this.#leaving && this.#close(dialog);
    addEventListener('focus', onFocus);
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      button.disabled = true;
      setText(problem, '');
      const said = await this.#send(key.value);
      button.disabled = false;
      setText(problem, said ?? '');
      // What waits was somebody else's: it ends with the page.
      if (this.#leaving) return undefined;
      if (said === null) return this.#close(dialog);
      key.focus();
      key.select();
    });
    document.body.append(dialog);
    dialog.showModal();
    key.focus();
    const promise = new Promise((resolve) => (this.#done = resolve)).then(() => removeEventListener('focus', onFocus));
    return { promise };
  }

  /** → what went wrong; null: nothing. */
  async #send(key) {
    const response = await ask('POST', { key: key.trim() }).catch(() => null);
    if (!response) return 'The server could not be reached. Try again.';
    const answer = await response.json().catch(() => ({}));
    if (response.status === 422) return 'That is no key or token.';
    if (!response.ok) return answer.detail ?? `The server answered ${response.status}.`;
    this.#draw(answer);
    return null;
  }

  #close(dialog) {
    this.#dialog = null;
    dialog.remove();
    this.#done();
  }

  #draw(known) {
    const { asks, signed_in: signedIn, tenant, subject, name, session } = known;
    const who = `${tenant}/${subject}`;
    const before = lasting.getItem(WHO);
    if (asks && before !== null && before !== who) {
      forget();
      lasting.setItem(WHO, who);
      this.#leaving = true;
      return location.replace('/');
    }
    if (asks) lasting.setItem(WHO, who);
    // A token of one session leads to it.
    if (session && location.pathname === '/' && !location.hash) {
      history.replaceState(null, '', chatAddress(session));
      dispatchEvent(new PopStateEvent('popstate'));
    }
    this.badge.hidden = !signedIn;
    const out = h('button', { class: 'text-button', type: 'button', onclick: signOut }, 'Sign out');
    this.badge.replaceChildren(h('span', { class: 'who', title: `${subject}, of ${tenant}` }, name), out);
    this.#known = known;
    this.onChange();
  }
}

async function signOut() {
  const response = await ask('DELETE').catch(() => null);
  // As long as the cookie counts, nobody is signed out.
  if (!response?.ok) return;
  forget();
  location.replace('/');
}

/** Drafts, messages on their way, and which session was open. */
function forget() {
  for (const store of [lasting, ofTab])
    for (const name of store.keys()) if (OURS.test(name)) store.removeItem(name);
}

function ask(method, body) {
  const headers = { Accept: 'application/json', ...(body && { 'Content-Type': 'application/json' }) };
  return fetch(TARGET, { method, headers, body: body && JSON.stringify(body), cache: 'no-store' });
}

/** The same as in the pages' own corners. */
function mark() {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'mark');
  svg.setAttribute('aria-hidden', 'true');
  const shapes = [
    ['rect', { width: 24, height: 24, rx: 6 }],
    ['circle', { cx: 12, cy: 12, r: 8 }],
    ['path', { d: 'M6 12a3 3 0 0 1 6 0 3 3 0 0 0 6 0' }],
  ];
  for (const [tag, attributes] of shapes) {
    const shape = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
    svg.append(shape);
  }
  return svg;
}
