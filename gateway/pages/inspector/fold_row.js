/** A compaction in the timeline: what it made of the request, what it cost, and the way to its model call. */
import { h, icon } from '../shared/dom.js';
import { foldWords } from '../shared/folds.js';
import { cost, duration, inputTokens, shortModel, tokens, total } from '../shared/format.js';

export function makeFold({ fold, pick }) {
  const { title, size, note } = foldWords(fold);
  const head = h('p', { class: 'fold-title' }, icon('fold'), h('strong', {}, title), size && h('span', { class: 'sums' }, size));
  const about = h('p', { class: 'faint small' }, `Events ${fold.from_seq} to ${fold.to_seq}. ${note}`);
  return h('article', { class: 'turn folded-past' }, head, about, fold.step_id && row(fold, pick));
}

export function drawFold(node, { fold, selected }) {
  const button = node.querySelector('button.row');
  button?.setAttribute('aria-pressed', String(selected === fold.step_id));
}

function row({ step_id: id, model, usage, cost_usd: usd, timing }, pick) {
  const spent = usage && [tokens(total(usage), usage), cost(usd, usage)];
  const numbers = [...(spent ?? []), duration(timing?.total_ms)].filter(Boolean).join(' · ');
  const name = h('span', { class: 'name', data: { mark: 'model' } }, h('span', { class: 'mark-of' }), h('span', { class: 'label' }, shortModel(model)));
  const share = usage && `in ${inputTokens(usage)}`;
  name.append(h('small', {}, 'summary'));
  return h('button', { class: 'row', type: 'button', data: { step: id }, title: share, onclick: () => pick(id) }, name, h('span', { class: 'numbers' }, numbers));
}
