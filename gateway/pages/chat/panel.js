/** The list of sessions where the screen is narrow: a panel over the page, which a veil around it closes. */
import { byId } from '../shared/dom.js';

export function showPanel(shown) {
  document.body.classList.toggle('with-sidebar', shown);
  byId('scrim').hidden = !shown;
}

export function listenToPanel() {
  byId('open-sidebar').addEventListener('click', () => (showPanel(true), byId('new-chat').focus()));
  byId('close-sidebar').addEventListener('click', () => showPanel(false));
  byId('scrim').addEventListener('click', () => showPanel(false));
}
