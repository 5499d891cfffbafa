/** Small buttons at messages. */
import { h, icon } from '../shared/dom.js';

const COPIED_MS = 1500;

/** A button that is an icon; `label` says what it does. */
export function iconButton(label, name, act) {
  return h('button', { type: 'button', class: 'icon-button small', 'aria-label': label, title: label, onclick: act }, icon(name));
}

/** Copies what `text()` returns; null where the browser allows no clipboard, as in an insecure context. */
export function copyButton(label, text) {
  if (!navigator.clipboard) return null;
  return iconButton(label, 'copy', async ({ currentTarget: button }) => {
    await navigator.clipboard.writeText(text());
    button.replaceChildren(icon('check'));
    setTimeout(() => button.replaceChildren(icon('copy')), COPIED_MS);
  });
}
