// Drives a saved client.js against a gateway.
//
//   node own.mjs FILE URL SCENARIO
//
// Each event, and at the end the result, is a line of JSON: {event} or {result}. The program ends by itself.
import { pathToFileURL } from 'node:url';

const [file, baseUrl, scenario] = process.argv.slice(2);
const { PerdureClient, PerdureError } = await import(pathToFileURL(file));
const client = new PerdureClient({ baseUrl });
const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const scenarios = {
  // A turn in a loop; meanwhile `watch` keeps a view, and another message is sent and waited for.
  async turn() {
    const { session_id: id } = await client.createSession({ agent: 'waiting' });
    const states = [];
    const live = client.watch(id, { onView: () => {}, onState: ({ name }) => states.push(name) });
    let other = null;
    for await (const event of client.turn(id, { text: 'Go' })) {
      tell({ event });
      if (event.type === 'step.started') other ??= client.sendAndWait(id, { text: 'And on' });
    }
    const waited = await other;
    while (live.view.turns.length < 2 || live.view.status !== 'idle') await new Promise((again) => setTimeout(again, 20));
    live.close();
    const texts = live.view.turns.map((turn) => turn.messages.at(-1).parts.map((part) => part.text).join(''));
    return { texts, states, waited: waited.turn.reason, said: waited.messages.at(-1).parts[0].text };
  },

  // A file, an approval that waits, an answer in the middle of a loop, a stop, a refusal.
  async ask() {
    const { session_id: id } = await client.createSession({ agent: 'support' });
    const { uri, media_type } = await client.upload(new Blob(['order A-1001'], { type: 'text/plain' }), { name: 'order.txt' });
    const parts = [{ type: 'file', uri }, { type: 'text', text: 'Refund it' }];
    const waits = await client.sendAndWait(id, { messageId: 'm1', parts });
    const asked = waits.questions[0];
    await client.answer(id, asked.question_id, { approved: true });
    const done = await client.sendAndWait(id, { messageId: 'm1', parts });
    const again = await client.answer(id, asked.question_id, { approved: true }).catch((error) => error);
    const loop = [];
    for await (const event of client.turn(id, { text: 'Again' })) {
      loop.push(event.type);
      if (event.type === 'approval.requested') await client.answer(id, event.question_id, { approved: false, reason: 'no' });
    }
    let stopped = null;
    for await (const event of client.turn(id, { text: 'Tell me all' })) {
      if (event.type === 'step.delta') await client.stop(id, event.step_id.split('.')[0]);
      if (event.type === 'turn.finished') stopped = event.reason;
    }
    const abort = new AbortController();
    const events = [];
    const left = await (async () => {
      for await (const event of client.events(id, { signal: abort.signal })) {
        events.push(event.seq);
        if (event.seq === 3) abort.abort();
      }
    })().catch((error) => error.name);
    return {
      media_type, waits: waits.status, name: asked.name, done: done.turn.reason, again: [again instanceof PerdureError, again.code],
      denied: loop.includes('approval.resolved') && loop.at(-1), stopped, left, events: events.slice(0, 3),
    };
  },
};

tell({ result: await scenarios[scenario]() });
