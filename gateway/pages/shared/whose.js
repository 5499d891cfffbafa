/** Who can answer a question, where roles are asked for: `roles` are groups, of each of which one is needed. */
import { h } from './dom.js';

export function whose(roles) {
  if (!roles) return null;
  const groups = roles.map((group) => group.join(', ')).join('; and one of these: ');
  return h('p', { class: 'note' }, `Only somebody with one of these roles can answer: ${groups}.`);
}
