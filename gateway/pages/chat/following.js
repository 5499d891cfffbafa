/** Keeps the end of the conversation in sight until somebody goes up, and again once they are back at the end. */
import { byId } from '../shared/dom.js';

/** Pixels from the end that count as being there. */
const NEAR = 60;

/** `page`: the state of `chat.js`, of which `follow` is kept here. */
export function keepAtEnd(page, scroll, transcript) {
  let last = 0;
  scroll.addEventListener('scroll', () => {
    // Only who goes up leaves the end: what is laid out only now moves it away as well.
    if (scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR) page.follow = true;
    else if (scroll.scrollTop < last) page.follow = false;
    last = scroll.scrollTop;
    byId('to-latest').hidden = page.follow || page.sessionId === null;
  });
  // A picture that is loaded makes the conversation longer, and so does a text that is drawn; a dock that grows leaves less room.
  const size = new ResizeObserver(() => page.follow && page.sessionId !== null && (scroll.scrollTop = scroll.scrollHeight));
  [transcript, scroll].forEach((node) => size.observe(node));
}
