/** Names of tools as people read them. Pure. */

/** `find_order` → `Find order`. */
export function titleOfTool(name) {
  const words = (name ?? '').replace(/[_-]+/g, ' ').trim();
  return words ? words[0].toUpperCase() + words.slice(1) : 'Tool';
}
