// A page with the AI SDK's `useChat`, without the page: a chat in plain memory that does what it is told, line by line.
//
//   node chat.mjs PACKAGE API ID
//
// PACKAGE is `ai` or `ai7`. Each line of the input is JSON, {do, ...}; each has one line of JSON as its answer: the chat as it is then,
// {status, error, messages, finished, data, called}. `wait: false` answers at once, and `until` as soon as the text of the last
// message contains it. What a browser drops is dropped by `cut`: the body of the request that runs fails as there.
import { createInterface } from "node:readline";

const [name, api, id] = process.argv.slice(2);
const { AbstractChat, DefaultChatTransport, lastAssistantMessageIsCompleteWithApprovalResponses: approved,
  lastAssistantMessageIsCompleteWithToolCalls: called, validateUIMessages } = await import(name);

class State {
  status = "ready";
  error = undefined;
  messages = [];
  pushMessage = (message) => { this.messages = [...this.messages, message]; };
  popMessage = () => { this.messages = this.messages.slice(0, -1); };
  replaceMessage = (index, message) => { this.messages = this.messages.map((one, at) => (at === index ? this.snapshot(message) : one)); };
  snapshot = (thing) => structuredClone(thing);
}

class Chat extends AbstractChat {
  constructor(options) { super({ ...options, state: new State() }); }
}

let drop = null;
const requests = [];

// Logs requests, and can let the body of one fail as a browser's does when the network is gone.
async function fetching(url, options) {
  const answer = await fetch(url, options);
  requests.push({ url: String(url), method: options?.method ?? "GET", status: answer.status, type: answer.headers.get("content-type"),
    version: answer.headers.get("x-vercel-ai-ui-message-stream") });
  if (!answer.body) return answer;
  const reader = answer.body.getReader();
  const body = new ReadableStream({
    start(controller) {
      drop = () => { controller.error(new TypeError("network error")); reader.cancel().catch(() => {}); };
    },
    async pull(controller) {
      const { done, value } = await reader.read();
      try { if (done) controller.close(); else controller.enqueue(value); } catch { /* dropped meanwhile */ }
    },
    cancel: () => reader.cancel(),
  });
  return new Response(body, { status: answer.status, headers: answer.headers });
}

const finished = [], data = [], calls = [];
function open(more = {}) {
  return new Chat({
    id,
    transport: new DefaultChatTransport({ api, fetch: fetching }),
    onFinish: ({ isAbort, isDisconnect, isError, finishReason }) => finished.push({ isAbort, isDisconnect, isError, finishReason }),
    onData: (part) => data.push(part.type),
    onToolCall: ({ toolCall }) => { calls.push(toolCall.toolName); },
    sendAutomaticallyWhen: (all) => approved(all) || called(all),
    ...more,
  });
}

let chat = open();
const words = () => (chat.messages.at(-1)?.parts ?? []).map((part) => part.text ?? "").join("");
const plain = (thing) => JSON.parse(JSON.stringify(thing));

async function settled() {
  // A request that follows by itself begins right after the one before.
  do { await new Promise((done) => setTimeout(done, 20)); } while (chat.status === "submitted" || chat.status === "streaming");
}

const acts = {
  send: ({ text, files, messageId, body }) => chat.sendMessage({ text, files, messageId }, { body }),
  regenerate: ({ messageId, body }) => chat.regenerate({ messageId, body }),
  resume: () => chat.resumeStream(),
  approve: ({ question, approved: yes, reason }) => chat.addToolApprovalResponse({ id: question, approved: yes, reason }),
  output: ({ call, tool, output }) => chat.addToolOutput({ toolCallId: call, tool, output }),
  stop: async () => { await fetch(`${api}/${id}/stop`, { method: "POST" }); },
  leave: () => chat.stop(),
  cut: async () => { drop?.(); },
  look: async () => {},
  // A new page: nothing, what the gateway tells, or given messages.
  load: async ({ messages }) => {
    chat = open();
    const found = messages ?? await (await fetch(`${api}/${id}/messages`)).json();
    chat.messages = found.length ? await validateUIMessages({ messages: found }) : [];
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: act, wait = true, until, ...given } = JSON.parse(line);
  let thrown;
  try {
    const doing = Promise.resolve(acts[act](given)).catch((error) => { thrown = error; });
    if (until !== undefined) while (!words().includes(until)) await new Promise((done) => setTimeout(done, 5));
    else if (wait) { await doing; await settled(); }
  } catch (error) { thrown = error; }
  console.log(JSON.stringify({ status: chat.status, error: (thrown ?? chat.error)?.message, messages: plain(chat.messages), finished, data, called: calls, requests }));
}
process.exit(0);
