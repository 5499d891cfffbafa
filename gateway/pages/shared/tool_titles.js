/** Names of tools as people read them. Pure. */

/** Those of a session's own tools. */
const OWN = { ask_user: 'Question', todo: 'To-do list' };

/** `find_order` → `Find order`. */
export function titleOfTool(name) {
  if (Object.hasOwn(OWN, name ?? '')) return OWN[name];
  const words = (name ?? '').replace(/[_-]+/g, ' ').trim();
  return words ? words[0].toUpperCase() + words.slice(1) : 'Tool';
}
