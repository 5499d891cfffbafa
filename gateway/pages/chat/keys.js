/** Keys of the whole chat page; `shortcuts.js` lists them. */
import { showPanel } from './panel.js';
import { showShortcuts } from './shortcuts.js';

/** `answer()` goes to the question that waits. */
export function listenToKeys({ stop, newChat, answer }) {
  addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !event.defaultPrevented && !event.isComposing) {
      if (document.body.classList.contains('with-sidebar')) return showPanel(false);
      // In a form, Escape is about the form.
      const field = event.target.closest?.('input, select, textarea, dialog');
      if (!field || field.id === 'message') stop();
    }
    if (event.key.toLowerCase() === 'o' && event.shiftKey && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      newChat();
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
  });
}
