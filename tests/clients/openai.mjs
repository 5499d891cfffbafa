// Drives the real `openai` of npm against a gateway, line by line.
//
//   node openai.mjs URL
//
// Each line of the input is JSON, {do, ...}; each has one line of JSON as its answer. What goes wrong is {error: {status, code, param,
// message}}. `call` calls a method of the client, and `chunks` reads what it streams. `read` streams a response, from its creation
// (`body`) or from where the last one of them broke off (`id`, `after`), and drops the connection once it was told `most` events:
// {id, numbers, ended, said, over}.
import { createInterface } from "node:readline";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none", maxRetries: 0 });

function method(path) {
  const names = path.split(".");
  const last = names.pop();
  const owner = names.reduce((thing, name) => thing[name], client);
  return owner[last].bind(owner);
}

const acts = {
  call: async ({ path, args }) => ({ result: await method(path)(...args) }),
  chunks: async ({ path, args }) => {
    const result = [];
    for await (const chunk of await method(path)(...args)) result.push(chunk);
    return { result };
  },
  // By the SDK's own helper, which puts the response together.
  accumulate: async ({ id, after }) => ({ result: await client.responses.stream({ response_id: id, starting_after: after }).finalResponse() }),
  read: async ({ body, id, after, most }) => {
    const told = { id, numbers: [], ended: [], said: {}, over: null, broke: null };
    try {
      const stream = body
        ? await client.responses.create({ ...body, background: true, stream: true })
        : await client.responses.retrieve(id, { stream: true, starting_after: after });
      for await (const event of stream) {
        told.numbers.push(event.sequence_number);
        if (event.type === "response.created") told.id = event.response.id;
        if (event.type === "response.output_text.delta") told.said[event.item_id] = (told.said[event.item_id] ?? "") + event.delta;
        if (event.type === "response.output_item.done") told.ended.push([event.item.id, event.item.status]);
        if (event.type === "response.completed") told.over = event.response;
        // Leaving the loop drops the connection.
        if (told.numbers.length === most) break;
      }
    } catch (error) {
      if (error.status) throw error;
      told.broke = String(error);
    }
    return told;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: act, ...given } = JSON.parse(line);
  let told;
  try {
    told = await acts[act](given);
  } catch ({ status, code, param, message }) {
    told = { error: { status, code, param, message } };
  }
  console.log(JSON.stringify(told));
}
