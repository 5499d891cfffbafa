/** The list of sessions where the screen is narrow: a drawer over the page, which holds the focus until it is closed. */
import { byId } from '../shared/dom.js';

const NARROW = matchMedia('(max-width: 820px)');

const isShown = () => document.body.classList.contains('with-sidebar');

export function showPanel(shown) {
  const before = isShown();
  const over = shown && NARROW.matches;
  document.body.classList.toggle('with-sidebar', over);
  byId('scrim').hidden = !over;
  for (const node of [byId('main'), document.querySelector('.skip')]) node.inert = over;
  byId('sidebar').setAttribute('role', over ? 'dialog' : 'complementary');
  over ? byId('sidebar').setAttribute('aria-modal', 'true') : byId('sidebar').removeAttribute('aria-modal');
  byId('open-sidebar').setAttribute('aria-expanded', String(over));
  if (before && !over && NARROW.matches) byId('open-sidebar').focus();
}

export function listenToPanel() {
  byId('open-sidebar').addEventListener('click', () => (showPanel(true), byId('new-chat').focus()));
  byId('close-sidebar').addEventListener('click', () => showPanel(false));
  byId('scrim').addEventListener('click', () => showPanel(false));
  NARROW.addEventListener('change', () => showPanel(false));
}
