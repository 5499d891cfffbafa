// Drives the real HttpAgent of AG-UI against a gateway.
//
//   node ag_ui.mjs URL THREAD ACTION...
//
// An action is JSON: {say: text}, {resume: [entry]}, {result: {toolCallId, content}}, or {connect: true}; with `tools`, and with
// `drop: N`, after which N frames the connection breaks. After each, a line of JSON says what the agent has then:
// {events, messages, state, interrupts, outcome, failed, warnings}. Whatever stands on the console is a warning.
import { HttpAgent, runHttpRequest, transformHttpEventStream } from "@ag-ui/client";

const [url, threadId, ...actions] = process.argv.slice(2);
let warnings = [];
for (const level of ["warn", "error"]) {
  console[level] = (...words) => warnings.push(words.map(String).join(" "));
}
let drop = null;
// Of a stream that breaks, the client leaves a promise that nobody waits for.
process.on("unhandledRejection", (error) => {
  if (error?.message !== "network error") throw error;
});

async function cutting(address, init) {
  const answer = await fetch(address, init);
  if (drop === null || !answer.ok) return answer;
  let left = drop;
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  const body = new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) return controller.close();
      controller.enqueue(value);
      left -= (decoder.decode(value, { stream: true }).match(/^data: /gm) ?? []).length;
      if (left <= 0) {
        await reader.cancel();
        controller.error(new TypeError("network error"));
      }
    },
  });
  return new Response(body, { status: answer.status, headers: answer.headers });
}

class Agent extends HttpAgent {
  connect(input) {
    const address = `${this.url}/${input.threadId}/events`;
    return transformHttpEventStream(runHttpRequest(() => this.fetch(address, { headers: this.headers })));
  }
}

const agent = new Agent({ url, threadId, fetch: cutting });
let events = [];
let outcome = null;
agent.subscribe({
  onEvent: ({ event }) => {
    events.push(event);
    if (event.type === "TEXT_MESSAGE_CONTENT") process.stdout.write(JSON.stringify({ streams: true }) + "\n");
  },
  onRunFinishedEvent: ({ event }) => void (outcome = event.outcome ?? null),
});

for (const [number, given] of actions.entries()) {
  const action = JSON.parse(given);
  [events, outcome, warnings, drop] = [[], null, [], action.drop ?? null];
  let failed = null;
  const runId = `run-${number + 1}`;
  try {
    if (action.connect) {
      await agent.connectAgent({ runId });
    } else {
      if (action.say) agent.addMessage({ id: `m${number + 1}`, role: "user", content: action.say });
      if (action.result) agent.addMessage({ id: `r${number + 1}`, role: "tool", ...action.result });
      const tools = (action.tools ?? []).map((name) => ({ name, description: name, parameters: { type: "object" } }));
      await agent.runAgent({ runId, tools, ...(action.resume ? { resume: action.resume } : {}) });
    }
  } catch (error) {
    failed = String(error);
  }
  const { messages, state, pendingInterrupts: interrupts } = agent;
  console.log(JSON.stringify({ events, messages, state, interrupts, outcome, failed, warnings }));
}
process.exit(0);
