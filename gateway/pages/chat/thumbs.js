/** Thumbs at an answer: a press gives feedback on its turn, and once more takes it back. After a thumb down the page asks why. */
import { h, icon } from '../shared/dom.js';
import { editForm } from './edit_form.js';

const THUMBS = [
  { score: 1, name: 'thumb-up', label: 'Good answer' },
  { score: -1, name: 'thumb-down', label: 'Bad answer' },
];
/** Characters that the server takes. */
const LONGEST = 4000;

export function makeThumbs() {
  const node = h('span', { class: 'thumbs', role: 'group', 'aria-label': 'Feedback on this answer' });
  node.append(...THUMBS.map(({ score, name, label }) => {
    const press = () => node.press(score);
    return h('button', { type: 'button', class: 'icon-button small', 'aria-label': label, title: label, onclick: press }, icon(name));
  }));
  return node;
}

/** `score`: what counts now, 0 where nothing does; `rate(score, text)` as in `ratings.js`; `place`: where it is asked why. */
export function drawThumbs(node, { score, rate, place }) {
  node.classList.toggle('given', score !== 0);
  THUMBS.forEach((thumb, at) => node.children[at].setAttribute('aria-pressed', String(score * thumb.score > 0)));
  if (score >= 0) close(place);
  node.press = async (pressed) => {
    const again = score * pressed > 0;
    const kept = rate(again ? 0 : pressed);
    if (pressed < 0 && !again) askWhy(place, node, (text) => rate(pressed, text));
    // What was not kept is not asked about.
    if (!(await kept)) close(place);
  };
}

/** A box that may be left empty: Enter sends, Escape skips. */
function askWhy(place, thumbs, save) {
  const back = () => thumbs.lastChild.focus();
  const send = async (text) => {
    if (!(await save(text))) throw new Error('It could not be sent. Try again.');
  };
  const words = { label: 'What was wrong?', yes: 'Send', no: 'Skip' };
  const form = editForm({ ...words, text: '', hint: 'What was wrong? (optional)', longest: LONGEST, save: send, close: () => (close(place), back()) });
  place.replaceChildren(form);
  place.hidden = false;
  form.begin();
}

function close(place) {
  place.hidden = true;
  place.replaceChildren();
}
