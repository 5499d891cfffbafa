/** Keys of the whole chat page; `shortcuts.js` lists them. */
import { showPanel } from './panel.js';
import { showShortcuts } from './shortcuts.js';

/** What people press for Ctrl where they are. */
export const CONTROL = /Mac|iPhone|iPad/.test(navigator.platform) ? '⌘' : 'Ctrl';

/** `answer()` goes to the question that waits. */
export function listenToKeys({ stop, newChat, search, find, answer }) {
  addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !event.defaultPrevented && !event.isComposing) {
      if (document.body.classList.contains('with-sidebar')) return showPanel(false);
      // In a form, Escape is about the form.
      const field = event.target.closest?.('input, select, textarea, dialog, [popover]');
      if (!field || field.id === 'message') stop();
    }
    // By its place, for with Alt some keyboards write another letter.
    if (event.code === 'KeyQ' && event.altKey && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      answer();
    }
    if (event.key === '?' && !event.target.closest?.('input, select, textarea, dialog')) {
      event.preventDefault();
      showShortcuts();
    }
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    const act = { 'shift o': newChat, 'shift f': find, k: search }[`${event.shiftKey ? 'shift ' : ''}${event.key.toLowerCase()}`];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
