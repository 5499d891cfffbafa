/**
 * What goes on below a session: the events of its sub-agents, and what they ask. Pure.
 *
 * A way down is a list of {call_id, session_id}: the call, and the session that answers it; then a call of that one, and so on.
 *
 * Rule: a question of a sub-agent is answered at its own session, and ids of questions are told apart by session only.
 */
import { questionOf } from './tool_calls.js';

/** The way down that a viewer's `agent.event` came up, and the event at its end. */
export function unwrapped(event) {
  const way = [];
  while (event.type === 'agent.event') {
    way.push({ call_id: event.call_id, session_id: event.session_id });
    event = event.event;
  }
  return { way, event };
}

/** The `agent.event` that tells viewers of the session above of `event`. */
export function wrapped(way, event) {
  return way.reduceRight((inner, step) => ({ type: 'agent.event', ...step, event: inner }), event);
}

/** The view of the session at the end of `way`; null where nothing of it is known. */
export function viewBelow(view, way) {
  return way.reduce((above, { call_id: id }) => callOf(above, id)?.agent ?? null, view);
}

/**
 * What the sub-agent that answers `tool` asks, and those below it: questions with `session_id`, where each is answered, and
 * `agents`, the names from here down to the one that asks. `told`: what a snapshot says that is open below.
 */
export function questionsBelow(tool, told = []) {
  if (!tool?.session_id) return [];
  const names = [nameOf(tool)];
  const { agent, session_id: id } = tool;
  const known = askedThrough(tool, names);
  if (tool.result) return known;
  // A view that misses nothing knows better than a snapshot of another moment.
  const current = agent && agent.seq > 0 && agent.gap === null;
  const asked = new Set(known.map(questionKey));
  const rest = told
    .filter((one) => (one.session_id === id && !current) || one.session_id.startsWith(`${id}~`))
    .map((one) => ({ ...questionOf({ ...one, type: one.kind }), session_id: one.session_id, agents: names }))
    .filter((one) => !asked.has(questionKey(one)));
  return [...known, ...rest];
}

/** The questions of all sub-agents of a session that wait for an answer. */
export function openBelow(view) {
  const tools = view.turns.filter((turn) => turn.status === 'running').flatMap((turn) => Object.values(turn.tools));
  return tools.flatMap((tool) => questionsBelow(tool, view.session.sub_questions)).filter((one) => one.state === 'open');
}

/** The ways down to sub-agents that are over and of which something is not known, the newest first. */
export function unknownBelow(view, above = []) {
  const calls = view.turns.flatMap((turn) => Object.entries(turn.tools)).filter(([, tool]) => tool.session_id);
  return calls.reverse().flatMap(([call_id, { session_id, result, agent }]) => {
    const way = [...above, { call_id, session_id }];
    return [...(result && !agent?.closed ? [way] : []), ...(agent ? unknownBelow(agent, way) : [])];
  });
}

/** Of a question among those of a session and of all below it. */
export const questionKey = ({ session_id: session, question_id: id }) => `${session ?? ''} ${id}`;

/** Open questions of a snapshot after an event from below. */
export function stillOpen(told, event) {
  const { way, event: inner } = unwrapped(event);
  if (!told?.length || !['approval.resolved', 'input.received'].includes(inner.type)) return told;
  const key = questionKey({ session_id: way.at(-1).session_id, question_id: inner.question_id });
  return told.filter((one) => questionKey(one) !== key);
}

function askedThrough({ agent, session_id: session, result }, agents) {
  const found = (agent?.turns ?? []).flatMap((turn) =>
    Object.values(turn.tools).flatMap((tool) => [
      ...(tool.questions ?? []).map((one) => ({ ...one, session_id: session, agents, edited: tool.edited })),
      ...(tool.agent ? askedThrough(tool, [...agents, nameOf(tool)]) : []),
    ]),
  );
  // Nobody can answer any more for a call that is over.
  return result ? found.map((one) => (one.state === 'open' ? { ...one, state: 'stopped' } : one)) : found;
}

const nameOf = (tool) => tool.name ?? tool.agent?.session.agent ?? 'A sub-agent';
const callOf = (view, id) => view?.turns.find((turn) => turn.tools[id])?.tools[id];
