/** The inspector's keys, and the list of them. They are the page's own where nobody types and no dialog is open. */
import { h } from '../shared/dom.js';
import { openDialog } from '../shared/dialog.js';

const LIST = [
  ['↓ ↑', 'The next row of the timeline, the one before'],
  ['→ ←', 'The next turn, the one before'],
  ['Enter', 'Open the step of the row'],
  ['Esc', 'Close the step, and go back to its row'],
  ['N', 'The newest turn'],
  ['F', 'What failed, newest first; again for the one before'],
  ['D', 'What was dearest; again for the next'],
  ['C', 'The chat'],
  ['?', 'This list'],
];

/** `actions`: {row(by), turn(by), close() → whether there was something to close, newest(), failed(), dear(), chat()}. */
export function listenToKeys(actions) {
  const keys = {
    ArrowDown: () => actions.row(1),
    ArrowUp: () => actions.row(-1),
    ArrowRight: () => actions.turn(1),
    ArrowLeft: () => actions.turn(-1),
    n: actions.newest,
    f: actions.failed,
    d: actions.dear,
    c: actions.chat,
    '?': showKeys,
  };
  addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector('dialog[open]') || event.target.closest?.('input:not([type=checkbox]), textarea, select')) return;
    if (event.key === 'Escape') return actions.close() && event.preventDefault();
    const arrow = event.key.startsWith('Arrow');
    // There, arrows scroll.
    if (arrow && event.target.closest?.('#detail, pre, audio, .said')) return;
    const act = keys[arrow ? event.key : event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

export function showKeys() {
  const rows = LIST.map(([key, does]) => [h('dt', {}, ...key.split(' ').flatMap((one) => [h('kbd', {}, one), ' '])), h('dd', {}, does)]);
  openDialog({ title: 'Keys', body: h('dl', { class: 'keys' }, rows.flat()) });
}
