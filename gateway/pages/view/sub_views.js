/**
 * What happens below a session: the events of its sub-agents, and their questions. Pure.
 *
 * A way down is a list of {call_id, session_id}: a call, and the session that answers it; then a call of that session, and so on.
 *
 * Rule: a sub-agent's question is answered at its own session; question ids are unique only within a session.
 */
import { questionOf } from './tool_calls.js';

/** The way down from which a viewer's `agent.event` came, and the inner event. */
export function unwrapped(event) {
  const way = [];
  while (event.type === 'agent.event') {
    way.push({ call_id: event.call_id, session_id: event.session_id });
    event = event.event;
  }
  return { way, event };
}

/** The `agent.event` that carries `event` to viewers of the session above. */
export function wrapped(way, event) {
  return way.reduceRight((inner, step) => ({ type: 'agent.event', ...step, event: inner }), event);
}

/** The view of the session at the end of `way`; null if nothing of it is known. */
export function viewBelow(view, way) {
  return way.reduce((above, { call_id: id }) => callOf(above, id)?.agent ?? null, view);
}

/**
 * The questions of the sub-agent that answers `tool`, and of those below it: questions with `session_id`, where each is answered,
 * and `agents`, the names from here down to the agent that asks. `told`: the open questions below according to a snapshot.
 */
export function questionsBelow(tool, told = []) {
  if (!tool?.session_id) return [];
  const names = [nameOf(tool)];
  const { agent, session_id: id } = tool;
  const known = askedThrough(tool, names);
  if (tool.result) return known;
  // A view without a gap is more current than a snapshot of another moment.
  const current = agent && agent.seq > 0 && agent.gap === null;
  const asked = new Set(known.map(questionKey));
  const rest = told
    .filter((one) => (one.session_id === id && !current) || one.session_id.startsWith(`${id}~`))
    .map((one) => ({ ...questionOf({ ...one, type: one.kind }), session_id: one.session_id, agents: one.agents ?? names }))
    .filter((one) => !asked.has(questionKey(one)));
  return [...known, ...rest];
}

/** The open questions of all sub-agents of a session. */
export function openBelow(view) {
  const tools = view.turns.filter((turn) => turn.status === 'running').flatMap((turn) => Object.values(turn.tools));
  return tools.flatMap((tool) => questionsBelow(tool, view.session.sub_questions)).filter((one) => one.state === 'open');
}

/** The ways down to finished sub-agents of which something is unknown, the newest first. */
export function unknownBelow(view, above = []) {
  const calls = view.turns.flatMap((turn) => Object.entries(turn.tools)).filter(([, tool]) => tool.session_id);
  return calls.reverse().flatMap(([call_id, { session_id, result, agent }]) => {
    const way = [...above, { call_id, session_id }];
    return [...(result && !agent?.closed ? [way] : []), ...(agent ? unknownBelow(agent, way) : [])];
  });
}

/** A key for a question, unique among those of a session and of all sessions below it. */
export const questionKey = ({ session_id: session, question_id: id }) => `${session ?? ''} ${id}`;

/** A snapshot's open questions after an event from below. */
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
  found.push(...(agent?.asked ?? []).map((one) => ({ ...one, session_id: session, agents })));
  // Questions of a finished call can no longer be answered.
  return result ? found.map((one) => (one.state === 'open' ? { ...one, state: 'stopped' } : one)) : found;
}

const nameOf = (tool) => tool.name ?? tool.agent?.session.agent ?? 'A sub-agent';
const callOf = (view, id) => view?.turns.find((turn) => turn.tools[id])?.tools[id];
