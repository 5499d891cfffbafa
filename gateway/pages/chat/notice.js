/** A line above the text box that says for some seconds what went wrong. */
import { byId, setText } from '../shared/dom.js';

const SHOWN_MS = 8000;
let timer;

export function notice(text) {
  setText(byId('notice'), text);
  byId('notice').hidden = !text;
  clearTimeout(timer);
  timer = setTimeout(() => (byId('notice').hidden = true), SHOWN_MS);
}
