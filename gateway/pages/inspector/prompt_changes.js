/** What is new in a step's prompt against that of the step before. Pure. */
import { linesOf } from './lines.js';

/**
 * Two steps of the trace, with their prompts → {model, system, tools, examples, output, added, removed, changed, same}:
 * model: [before, now] or null; system: lines as `linesOf` gives them, or null; tools: {added, removed: tools, changed: [{name, lines}], same};
 * examples, output: whether they are others; added, removed: messages; changed: [{message, before}] of the same id; same: how many stayed.
 */
export function changesOf(before, now) {
  const [old, prompt] = [before.prompt, now.prompt];
  const messages = compared(old.messages, prompt.messages, keyOf, (message) => JSON.stringify([message.role, message.parts]));
  const tools = compared(old.tools, prompt.tools, ({ name }) => name, toolText);
  return {
    model: before.model === now.model ? null : [before.model, now.model],
    system: old.system === prompt.system ? null : linesOf(old.system, prompt.system),
    tools: { ...tools, changed: tools.changed.map(([was, is]) => ({ name: is.name, lines: linesOf(toolText(was), toolText(is)) })) },
    examples: !same(old.examples, prompt.examples),
    output: !same(old.output ?? null, prompt.output ?? null),
    added: messages.added,
    removed: messages.removed,
    changed: messages.changed.map(([was, message]) => ({ message, before: was })),
    same: messages.same,
  };
}

function compared(old, now, key, text) {
  const was = new Map(old.map((item) => [key(item), item]));
  const is = new Set(now.map(key));
  const found = { added: [], removed: old.filter((item) => !is.has(key(item))), changed: [], same: 0 };
  for (const item of now) {
    const known = was.get(key(item));
    if (known === undefined) found.added.push(item);
    else if (text(known) === text(item)) found.same += 1;
    else found.changed.push([known, item]);
  }
  return found;
}

/** A message without an id is known by what it says. */
const keyOf = (message) => message.id ?? JSON.stringify([message.role, message.parts]);
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const toolText = ({ description, input }) => `${description}\n${JSON.stringify(input, null, 2)}`;
