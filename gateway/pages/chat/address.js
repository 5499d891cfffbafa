/**
 * The chat page's addresses: `/chat/{session_id}` shows a session, `/` the last one of this browser, or else a new chat.
 *
 * Rule: the browser's Back and Forward go between sessions as between pages; nothing is loaded anew.
 */
import { chatAddress } from '../shared/addresses.js';

/** The session that the page shows. */
let shown = null;

const PATH = /^\/chat\/([^/]+)\/?$/;

/** The session that the address names; null: none. Addresses of before, `/#session={id}`, are replaced by those of now. */
export function sessionInAddress() {
  const before = new URLSearchParams(location.hash.slice(1)).get('session');
  if (before) history.replaceState(null, '', chatAddress(before));
  const [, id] = PATH.exec(location.pathname) ?? [];
  return id === undefined ? null : decoded(id);
}

/** Shows what is open in the address. `instead`: in place of the page before, to which Back does not return then. */
export function showInAddress(sessionId, { instead = false } = {}) {
  shown = sessionId;
  if (sessionInAddress() === sessionId) return;
  history[instead ? 'replaceState' : 'pushState'](null, '', sessionId === null ? '/' : chatAddress(sessionId));
}

/** Calls `show(sessionId or null)` where somebody goes to another session by a link of this page, by Back or by Forward. */
export function followAddress(show) {
  // A place in the page is an address, too.
  const look = () => sessionInAddress() !== shown && show(sessionInAddress());
  addEventListener('popstate', look);
  addEventListener('hashchange', look);
  document.addEventListener('click', (event) => {
    const link = event.target.closest?.('a[href]');
    if (!link || link.target || link.origin !== location.origin || event.defaultPrevented) return;
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const [, id] = PATH.exec(link.pathname) ?? [];
    if (id === undefined) return;
    event.preventDefault();
    show(decoded(id));
  });
}

function decoded(id) {
  try {
    return decodeURIComponent(id);
  } catch {
    // Somebody wrote it by hand; the server says that there is no such session.
    return id;
  }
}
