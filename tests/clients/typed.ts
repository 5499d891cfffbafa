// Uses client.js as a program in strict TypeScript would. `tsc` must take every line, but for those that are marked as wrong.
import { PerdureClient, PerdureError, openQuestions, type SessionEvent, type Snapshot, type View } from './client.js';

const client = new PerdureClient({ baseUrl: 'http://127.0.0.1:8000', headers: { Authorization: 'Bearer x' } });
const { session_id } = await client.createSession({ agent: 'support', inputs: { customer_name: 'Ann' }, message: { text: 'Hello' } });

function told(event: SessionEvent): string {
  switch (event.type) {
    case 'step.delta':
      return event.kind === 'text' ? event.delta : '';
    case 'tool.finished':
      return event.result.is_error ? 'failed' : `${event.name} took ${event.duration_ms} ms`;
    case 'approval.requested':
      return `${event.name}(${Object.keys(event.args).join()}) until ${event.expires_at ?? 'whenever'}`;
    case 'turn.finished':
      return event.reason === 'failed' ? (event.error?.message ?? '') : String(event.usage.output_tokens);
    case 'session.snapshot':
      return event.messages.flatMap(({ parts }) => parts.map((part) => (part.type === 'text' ? part.text : part.type))).join();
    case 'agent.event':
      return told(event.event);
    default:
      return event.type;
  }
}

for await (const event of client.turn(session_id, { text: 'Hello', busy: 'steer' })) told(event);
for await (const event of client.events(session_id, { after: 3, signal: AbortSignal.timeout(1) })) told(event);
const answer = await client.sendAndWait(session_id, { parts: [{ type: 'file', uri: (await client.upload(new Blob(['x']))).uri }] });
const spent: number | null = 'turn' in answer ? answer.turn.cost_usd : null;
const asked: string[] = 'questions' in answer ? answer.questions.map((one) => one.question_id) : [];
await client.answer(session_id, asked[0] ?? '', { approved: true, args: { amount: spent } });
await client.stop(session_id);
const live = client.watch(session_id, {
  last: 50,
  onView: (view: View) => openQuestions(view).map(({ question_id, state }) => [question_id, state === 'open']),
  onState: (state) => (state.name === 'failed' ? state.error.code === 'session_not_found' : state.name),
  tools: { pick_date: async (args, { signal }) => (signal.aborted ? null : String(args['day'])) },
});
live.close();
try {
  (await client.feedback(session_id, 't1', { score: 1 })).seq satisfies number;
  const snapshot: Snapshot = await client.session(session_id);
  snapshot.status satisfies 'idle' | 'working' | 'waiting' | 'closed';
} catch (error) {
  if (error instanceof PerdureError && error.code === 'already_answered') throw new Error(error.errors.map((one) => one.field).join());
}

// @ts-expect-error: a message has a text or parts
void client.send(session_id, {});
// @ts-expect-error: not both
void client.send(session_id, { text: 'a', parts: [] });
// @ts-expect-error: no such policy
void client.send(session_id, { text: 'a', busy: 'wait' });
// @ts-expect-error: no such agent field
void client.createSession({ agent: 'a', input: {} });
// @ts-expect-error: a part that cannot be sent
void client.send(session_id, { parts: [{ type: 'reasoning', text: 'a' }] });
// @ts-expect-error: no such event
const never = (event: SessionEvent): boolean => event.type === 'turn.ended';
// @ts-expect-error: not every event has a message
const some = (event: SessionEvent) => event.message;
// @ts-expect-error: `approved` is a boolean
void client.answer(session_id, 'q', { approved: 'yes' });
void [never, some];
