/** Addresses in plain texts as links. */
import { h } from './dom.js';

const ADDRESS = /(https?:\/\/[^\s<>"]*[^\s<>"'`)\].,;:!?])/i;

/** The nodes of a plain text with its addresses as links; no other markup is interpreted. */
export function linked(text) {
  return (text ?? '').split(ADDRESS).map((one, index) => (index % 2 && link(one, [one])) || one);
}

/** A link that opens in a new tab, or null if the address is not http(s). */
export function link(target, children) {
  if (!/^https?:\/\//i.test(target)) return null;
  return h('a', { href: target, target: '_blank', rel: 'noopener noreferrer' }, children);
}
