/** Small buttons at messages. */
import { h, icon } from '../shared/dom.js';

const COPIED_MS = 1500;

/** A button that is an icon; `label` says what it does. It cannot be pressed again until `act` is done. */
export function iconButton(label, name, act) {
  const press = async (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    try {
      await act(button);
    } finally {
      button.disabled = false;
    }
  };
  return h('button', { type: 'button', class: 'icon-button small', 'aria-label': label, title: label, onclick: press }, icon(name));
}

/** Copies what `text()` returns; null where the browser allows no clipboard, as in an insecure context. */
export function copyButton(label, text) {
  if (!navigator.clipboard) return null;
  return iconButton(label, 'copy', async (button) => {
    await navigator.clipboard.writeText(text());
    button.replaceChildren(icon('check'));
    setTimeout(() => button.replaceChildren(icon('copy')), COPIED_MS);
  });
}
