/** Where earlier conversation was made shorter for the model: a quiet line that unfolds the summary. What was said stays above it. */
import { h, icon, setText } from '../shared/dom.js';
import { foldWords } from '../shared/folds.js';
import { renderMarkdown } from '../shared/markdown.js';

export function makeFold() {
  const line = h('summary', {}, icon('fold'), h('span', {}, h('span', { class: 'title' }), h('span', { class: 'size' })), icon('chevron'));
  return h('details', { class: 'summary' }, line, h('div', { class: 'summary-body' }, h('div', { class: 'md' }), h('ul'), h('p', { class: 'faint small' })));
}

export function drawFold(node, fold) {
  const { title, size, note } = foldWords(fold);
  setText(node.querySelector('.title'), title);
  setText(node.querySelector('.size'), size && ` (${size})`);
  const [text, facts, last] = node.lastChild.children;
  renderMarkdown(text, fold.summary ?? '');
  facts.replaceChildren(...(fold.facts ?? []).map((fact) => h('li', {}, fact)));
  setText(last, note);
}
