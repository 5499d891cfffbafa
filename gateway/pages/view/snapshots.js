/** Snapshots of a session: a view made of one, and what only they tell. Pure. */
import { askedTools, finishedTool } from './tool_calls.js';
import { emptyView, newTurn, patchTurn, upsert } from './turns.js';

/** Takes what only `GET /v1/sessions/{id}` contains; its transcript is ignored, because events alone make the turns. */
export function withFacts(view, { messages, queued = [], questions, seq, status, usage, cost_usd, ...session }) {
  const known = new Map(queued.map((message) => [message.id, message]));
  // A snapshot omits questions that are no longer open.
  const facts = { ...view, session: { ...view.session, sub_questions: [], ...session } };
  facts.queued = view.queued.map((entry) =>
    entry.message ? entry : { ...entry, message: known.get(entry.id) ?? null },
  );
  return seq === view.seq ? { ...facts, status, usage, cost_usd } : facts;
}

export function fromSnapshot(view, snapshot) {
  const { messages, queued = [], seq, status, usage, cost_usd, questions, type, ...session } = snapshot;
  const known = new Map(view.turns.map((turn) => [turn.id, { ...turn, messages: [], whole: false }]));
  let next = { ...emptyView(), seq, status, usage, cost_usd, session: { ...view.session, sub_questions: [], ...session } };
  next.queued = queued.map((message) => ({ id: message.id, message }));
  const place = (id, change) =>
    (next = patchTurn(next, id, change, known.get(id) ?? { ...newTurn(id), status: 'finished' }));
  for (const message of messages) {
    place(message.turn_id ?? null, (turn) => {
      const results = message.parts.filter((part) => part.type === 'tool_result');
      const tools = { ...turn.tools };
      for (const result of results)
        tools[result.call_id] = {
          ...tools[result.call_id],
          ...finishedTool({ ...result, result }, tools[result.call_id]),
        };
      return message.role === 'tool' ? { ...turn, tools } : upsert({ ...turn, tools }, { ...message, key: message.id });
    });
  }
  if (session.turn_id) place(session.turn_id, (turn) => ({ ...turn, status: 'running', tools: askedTools(turn, questions) }));
  return status === 'closed' ? { ...next, closed: view.closed ?? { reason: 'closed', at: null } } : next;
}
