/** Where earlier conversation was summarised for the model: a quiet line that unfolds the summary. What was said stays above it. */
import { h, icon, setText } from '../shared/dom.js';
import { renderMarkdown } from '../shared/markdown.js';

export function makeFold() {
  const line = h('summary', {}, icon('fold'), h('span', {}), icon('chevron'));
  const note = h('p', { class: 'faint small' }, 'This is what the model is given in place of what was said earlier. You still see all of it.');
  return h('details', { class: 'summary' }, line, h('div', { class: 'md' }), note);
}

export function drawFold(node, { tokens_before: before, tokens_after: after, summary }) {
  const size = [before, after].every(Number.isFinite) ? ` (${count(before)} → ${count(after)} tokens)` : '';
  setText(node.querySelector('summary > span'), `Earlier conversation summarised${size}`);
  renderMarkdown(node.children[1], summary ?? 'Long results of tools were left out; nothing had to be summarised.');
}

const count = (number) => number.toLocaleString('en');
