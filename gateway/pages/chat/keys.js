/** Keys of the whole chat page: Escape stops the turn, Ctrl or Cmd, Shift and O begins a new chat. */
import { showPanel } from './panel.js';

export function listenToKeys({ stop, newChat }) {
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
  });
}
