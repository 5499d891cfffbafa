/**
 * Keys of the whole chat page: Escape stops the turn; with Ctrl or Cmd, Shift and O begins a new chat, K searches the
 * sessions, and Shift and F the open one.
 */
import { showPanel } from './panel.js';

/** What people press for Ctrl where they are. */
export const CONTROL = /Mac|iPhone|iPad/.test(navigator.platform) ? '⌘' : 'Ctrl';

export function listenToKeys({ stop, newChat, search, find }) {
  addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !event.defaultPrevented && !event.isComposing) {
      if (document.body.classList.contains('with-sidebar')) return showPanel(false);
      // In a form, Escape is about the form.
      const field = event.target.closest?.('input, select, textarea, dialog, [popover]');
      if (!field || field.id === 'message') stop();
    }
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    const act = { 'shift o': newChat, 'shift f': find, k: search }[`${event.shiftKey ? 'shift ' : ''}${event.key.toLowerCase()}`];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
