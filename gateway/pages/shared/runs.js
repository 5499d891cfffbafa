/** Runs of tool calls, which nothing is said in between: many of them are one line that unfolds. Pure. */
import { filesOf } from './files.js';
import { titleOfTool } from './tool_titles.js';

/** Fewer calls are shown one by one. */
const FEWEST = 3;
const OVER = new Set(['done', 'failed', 'stopped']);

/**
 * The runs of a turn's messages that are over and long enough, by part: a Map from each part of one (calls, and thoughts between them)
 * to {id, calls, failed, names, error}; `id` is the first call's, `error` the first one's in words. Sub-agents, calls that ask and
 * calls with files are in none.
 */
export function runsOf(messages, tools) {
  const found = new Map();
  let parts = [];
  const close = () => {
    // Thoughts after the last call belong to what comes next.
    parts.length = parts.findLastIndex(({ type }) => type === 'tool_call') + 1;
    const calls = parts.filter(({ type }) => type === 'tool_call');
    if (calls.length >= FEWEST) {
      const run = summed(calls, tools);
      parts.forEach((part) => found.set(part, run));
    }
    parts = [];
  };
  for (const message of messages) {
    if (message.role !== 'assistant') close();
    else
      for (const part of message.parts) {
        if (part.type === 'tool_call' ? isQuiet(tools[part.call_id]) : part.type === 'reasoning' && (parts.length || !part.text)) parts.push(part);
        else if (!isSilent(part)) close();
      }
  }
  close();
  return found;
}

const isSilent = ({ type, text }) => type === 'tool_result' || (['text', 'reasoning'].includes(type) && !text?.trim());

/** Nothing of it has to be seen. */
const isQuiet = (tool) => OVER.has(tool?.state) && !tool.session_id && !tool.questions?.length && !filesOf(tool.result).length;

function summed(calls, tools) {
  const names = calls.map(({ name, call_id: id }) => titleOfTool(name || tools[id].name));
  const failed = calls.map(({ call_id: id }) => tools[id]).filter(({ state }) => state === 'failed');
  return { id: calls[0].call_id, calls: calls.length, failed: failed.length, names: counted(names), error: failed[0]?.result?.output?.message ?? '' };
}

/** `Find order ×3, Calculator` */
function counted(names) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => (count > 1 ? `${name} ×${count}` : name)).join(', ');
}
