/** Types of `client.js`, and of all that a session says: its events, snapshot, questions and problems. */

/** A new id for a session or a message. */
export declare function newId(): string;

export interface ClientOptions {
  /** Where the server is, without a slash at the end; by default the page's own server. */
  baseUrl?: string;
  /** Sent with every request, such as `{ Authorization: 'Bearer …' }`. */
  headers?: { [name: string]: string };
  /** In place of the platform's `fetch`. */
  fetch?: typeof globalThis.fetch;
  /** Asked for a new token when the server no longer knows who calls; gives nothing where a cookie has been set. */
  renew?: (() => Promise<string | null | undefined | void>) | null;
}

/** What holds for a request that is made again until the server has answered. */
export interface Repeated {
  /** Gives the request up. */
  signal?: AbortSignal;
  /** Told of each failure, and of the milliseconds until the next attempt. */
  onRetry?: (error: Error, wait: number) => void;
}

/** A message to send: `text` or `parts`. */
export type Said = Repeated & {
  /** The message's own id, by default a new one; sent again with it, a message counts once. */
  messageId?: string;
  /** What becomes of it while the session works; by default what the agent says. */
  busy?: 'queue' | 'steer' | 'interrupt' | 'reject';
} & ({ text: string; parts?: undefined } | { parts: (TextPart | FilePart | DataPart)[]; text?: undefined });

/** How a stream is: `failed` and `ended` are final. `retryIn`: milliseconds until the next attempt. */
export type StreamState =
  | { name: 'connecting' | 'open' | 'ended' }
  | { name: 'waiting'; error: Error | null; retryIn: number }
  | { name: 'failed'; error: PerdureError };

export interface Following {
  /** A cursor, the `seq` of an event; null: from the start. */
  after?: number | null;
  onState?: (state: StreamState) => void;
}

export declare class PerdureClient {
  constructor(options?: ClientOptions);

  /** Starts a session, once, however often it has to be asked for. */
  createSession(session: Repeated & Omit<CreateSession, 'session_id'> & { sessionId?: string }): Promise<SessionCreated>;
  /** Sends a message, once, however often it has to be sent. */
  send(sessionId: string, said: Said): Promise<MessageAccepted>;
  /** Sends a message and waits for its turn, or until people have to answer first (`status: 'waiting'`). */
  sendAndWait(sessionId: string, said: Said): Promise<FinishedTurn | MessageWaits>;
  /** Sends a message and yields its own events and those of its turn, to the turn's end. */
  turn(sessionId: string, said: Said & { onState?: (state: StreamState) => void }): AsyncGenerator<SessionEvent, void, undefined>;
  /** Sends a message and yields the text of its turn as it comes, to print it. */
  say(sessionId: string, said: Said & { onState?: (state: StreamState) => void }): AsyncGenerator<string, void, undefined>;
  /** The session's events, each durable one once, until the session is closed. */
  events(sessionId: string, options?: Following & { signal?: AbortSignal }): AsyncGenerator<SessionEvent, void, undefined>;
  /** The same, for callbacks. */
  stream(sessionId: string, options: Following & { onEvent: (event: SessionEvent) => void }): SessionStream;
  /** Keeps a view of the session: calls `onView` after each event that changed something. */
  watch(sessionId: string, options: WatchOptions): Live;

  /** Uploads a file, for a part `{ type: 'file', uri }`. `onProgress` gets a fraction, in browsers. */
  upload(
    file: Blob,
    options?: { name?: string; onProgress?: (fraction: number) => void; signal?: AbortSignal },
  ): Promise<FileUploaded>;
  /** Stops the turn and keeps the session. With `turnId`, only if that turn still runs. */
  stop(sessionId: string, turnId?: string): Promise<SessionNamed>;
  /** Answers an open question. Throws `already_answered` (409) if it is not open any more. */
  answer(sessionId: string, questionId: string, answer: Omit<AnswerBody, 'question_id'>, options?: Repeated): Promise<QuestionAnswered>;
  /** Changes a message that still waits. */
  editMessage(sessionId: string, messageId: string, said: EditMessageBody): Promise<MessageEdited>;
  /** Takes back a message that still waits. */
  withdraw(sessionId: string, messageId: string): Promise<MessageNamed>;
  /** Goes on from before a message, or on an earlier branch; once. */
  rewind(sessionId: string, choices: RewindSession): Promise<RewindTaken>;
  branches(sessionId: string): Promise<BranchList>;
  /** Runs a failed or stopped turn on; once. */
  retry(sessionId: string, choices?: RetryTurn): Promise<TurnRetried>;
  /** Keeps on a turn what somebody thinks of it; the latest counts. */
  feedback(sessionId: string, turnId: string, given: Omit<FeedbackBody, 'turn_id'>): Promise<FeedbackTaken>;
  agents(): Promise<AgentList>;
  /** The session as it is; `messages`: the last so many alone. */
  session(sessionId: string, query?: { messages?: number }): Promise<Snapshot>;
  messages(sessionId: string, query?: { before?: number; limit?: number }): Promise<MessagePage>;
  close(sessionId: string): Promise<unknown>;
  /** Forks the session at the end of a turn; each call makes another session. */
  fork(sessionId: string, turnId: string, choices?: Omit<ForkSession, 'turn_id'>): Promise<SessionCreated>;
  configure(sessionId: string, changes: ConfigureSession): Promise<unknown>;
  /** `limits` in the definition's shape: `{ session: { cost_usd: 1 } }`. */
  setLimits(sessionId: string, limits: { [scope: string]: JsonValue }): Promise<LimitsChanged>;
  listSessions(query?: { agent?: string; status?: string; user?: string; active_after?: string; cursor?: string }): Promise<SessionList>;
  trace(sessionId: string, query?: { after?: number; before?: number; limit?: number; step?: string; prompts?: boolean }): Promise<Trace>;
}

/** A refusal or a failure; `status` is HTTP's, 0 where nobody answered, `message` is for people. */
export declare class PerdureError extends Error {
  status: number;
  code: ProblemCode | (string & {}) | null;
  /** The fields that are wrong. */
  errors: FieldProblem[];
  /** Seconds. */
  retryAfter: number | null;
  /** Whether the same request may succeed later. */
  get retryable(): boolean;
  /** There was too much at once: nothing of the request was done. */
  get limited(): boolean;
}

/** One session's stream, however often its connection breaks. */
export declare class SessionStream {
  constructor(options: Following & {
    url: string;
    begin?: () => Promise<number | null>;
    headers?: { [name: string]: string };
    fetch?: typeof globalThis.fetch;
    onEvent: (event: SessionEvent) => void;
    silence?: number;
  });
  /** The `seq` of the last durable event. */
  cursor: number | null;
  start(): this;
  close(): void;
  /** Tries again at once. */
  wake(): void;
  /** Connects again, after this cursor. */
  resync(cursor: number | null): void;
}

/** A function for a client tool: its value is the tool's result, its exception the reason why there is none. */
export type ClientTool = (
  args: { [name: string]: JsonValue },
  call: { callId: string; questionId: string; sessionId: string; signal: AbortSignal },
) => JsonValue | Promise<JsonValue>;

export interface WatchOptions {
  /** Called after each event that changed something; `event.type` is `facts` where something was loaded. */
  onView: (view: View, event: SessionEvent | { type: 'facts' }) => void;
  onState?: (state: StreamState) => void;
  /** Answers client tools by themselves, by the tools' names. */
  tools?: { [name: string]: ClientTool };
  /** Begin with so many messages, the last ones; null: from the first event. */
  last?: number | null;
}

/** A session that is watched. */
export interface Live {
  view: View;
  stream: SessionStream;
  /** Loads earlier turns, where the view was begun with `last`. */
  readEarlier(): Promise<void>;
  /** Loads what only the snapshot has, such as the model and the texts of messages that wait. */
  refresh(): Promise<void>;
  /** Loads the events of a finished sub-agent: the calls that lead down to it. */
  readBelow(way: { call_id: string; session_id: string }[]): Promise<void>;
  /** Ends the connection; the session goes on. */
  close(): void;
}

/** A session as a page draws it. Views are never changed: an event gives another one, which shares what stayed the same. */
export interface View {
  /** The last event's number; 0 before the first. */
  seq: number;
  /** What the snapshot says of the session, as far as it was loaded. */
  session: Partial<Omit<Snapshot, 'messages' | 'questions'>>;
  status: Snapshot['status'];
  closed: { reason: string; at: string | null } | null;
  usage: Usage;
  cost_usd: number | null;
  turns: ViewTurn[];
  /** What handlers ask, outside of any call. */
  asked: ViewQuestion[];
  queued: { id: string; message: Message | null; busy?: string }[];
  todo: TodoItem[];
  /** The latest feedback by turn; all but the score is known where its event was seen. */
  feedback: { [turnId: string]: { score: number; text?: string; by?: By; at?: string } };
  /** What no worker takes at the moment. */
  missing: WorkersState['missing'];
  /** Where turns before those of the view begin; absent where it begins with the session. */
  earlier?: { before: number; since: number | null };
  [more: string]: unknown;
}

export interface ViewTurn {
  id: string | null;
  status: 'running' | 'finished';
  cause?: TurnStarted['cause'];
  reason?: TurnFinished['reason'];
  error?: ToolError | null;
  usage: Usage;
  cost_usd: number | null;
  started_at?: string;
  finished_at?: string;
  messages: ViewMessage[];
  /** By call id. */
  tools: { [call: string]: ViewTool };
  questions?: ViewQuestion[];
  [more: string]: unknown;
}

export interface ViewMessage {
  /** Stays the same while the message grows. */
  key: string;
  id?: string;
  role: Message['role'];
  parts: ViewPart[];
  /** It is still being written. */
  live?: boolean;
  stopped?: boolean;
  [more: string]: unknown;
}

/** A part of a message; a tool call that is still being written has `args_text` in place of `args`. */
export type ViewPart = Message['parts'][number] | { type: 'tool_call'; name: string; args_text: string; call_id?: undefined; args?: undefined };

export interface ViewTool {
  state?: 'asking' | 'allowed' | 'running' | 'done' | 'failed' | 'stopped';
  name?: string;
  args?: { [name: string]: JsonValue };
  result?: ToolResult;
  progress?: { message: string | null; fraction: number | null } | null;
  questions?: ViewQuestion[];
  /** Of the sub-agent that answers the call, and its own view. */
  session_id?: string;
  agent?: View;
  [more: string]: unknown;
}

export interface ViewQuestion {
  question_id: string;
  kind: Question['kind'];
  state: 'open' | 'approved' | 'denied' | 'answered' | 'declined' | 'expired' | 'superseded' | 'stopped' | 'raised';
  call_id?: string;
  name?: string;
  args?: { [name: string]: JsonValue };
  prompt?: string | null;
  /** Of a sub-agent's question: the session at which it is answered. */
  session_id?: string;
  [more: string]: unknown;
}

export declare function emptyView(): View;
/** The view after one event. */
export declare function reduce(view: View, event: SessionEvent): View;
/** The view with what a snapshot says of the session. */
export declare function withFacts(view: View, snapshot: Snapshot): View;
/** The open questions, oldest first. */
export declare function openQuestions(view: View): ViewQuestion[];
/** The open questions of sub-agents, each with the `session_id` at which it is answered. */
export declare function openBelow(view: View): (ViewQuestion & { session_id: string })[];
/** A function that takes pieces of a text/event-stream and calls `emit` for each whole event. */
export declare function sseParser(emit: (type: string, data: string) => void): (chunk: string) => void;

// From here on: made by `python -m perdure.gateway.reference`.

export type JsonValue = string | number | boolean | null | JsonValue[] | { [name: string]: JsonValue };

/** What a session has done: numbered, kept, and sent once. */
export type DurableEvent =
  | SessionStarted
  | SessionClosed
  | MessageAdded
  | MessageQueued
  | MessageRejected
  | TurnStarted
  | TurnFinished
  | StepStarted
  | StepFinished
  | ToolStarted
  | ToolFinished
  | ApprovalRequested
  | ApprovalResolved
  | InputRequested
  | InputReceived
  | TimerSet
  | TimerFired
  | BudgetPaused
  | BudgetRaised
  | AgentUpdated
  | ModelSwitched
  | TranscriptRewound
  | ContextCompacted
  | TodoUpdated
  | FeedbackGiven;

/** What may be lost, and is not kept. */
export type LiveFrame =
  | StepDelta
  | StepSnapshot
  | StepRetrying
  | ToolProgress
  | AgentEvent
  | WorkersState
  | (Snapshot & { type: 'session.snapshot' });

/** An item of a session's stream; `type` tells which. */
export type SessionEvent = DurableEvent | LiveFrame;

/** What a refusal or failure is called. */
export type ProblemCode =
  | 'not_found'
  | 'session_not_found'
  | 'agent_not_found'
  | 'response_not_found'
  | 'timer_not_found'
  | 'budget_not_found'
  | 'message_not_found'
  | 'branch_not_found'
  | 'unauthenticated'
  | 'forbidden'
  | 'bad_request'
  | 'validation'
  | 'file_unreadable'
  | 'file_not_taken'
  | 'body_too_large'
  | 'unsupported_media_type'
  | 'foreign_origin'
  | 'unknown_host'
  | 'method_not_allowed'
  | 'too_slow'
  | 'id_conflict'
  | 'session_closed'
  | 'busy'
  | 'message_not_queued'
  | 'message_withdrawn'
  | 'turn_running'
  | 'already_answered'
  | 'not_rewindable'
  | 'other_branch'
  | 'rewind_open'
  | 'too_many_branches'
  | 'nothing_to_retry'
  | 'too_many'
  | 'rate_limited'
  | 'too_many_streams'
  | 'too_many_turns'
  | 'no_worker'
  | 'overloaded'
  | 'state_lost'
  | 'stopping'
  | 'issuer_unavailable'
  | 'store_unavailable'
  | 'store_full'
  | 'temporal_unavailable'
  | 'internal';

/** An agent that serves. */
export interface AgentEntry {
  /** Its name. */
  name: string;
  /** What it is for. */
  description: string;
  /** The role, one of `models`, that answers. */
  model: string;
  /** `provider/model` by role. */
  models: { [name: string]: string };
  /** First messages that a new chat offers. */
  starters: string[];
  /** JSON Schema properties by name. */
  inputs: { [name: string]: { [name: string]: JsonValue } };
  /** The tools. */
  tools: AgentToolEntry[];
  /** What a turn and the session may do and spend. */
  limits: Limits;
  /** What happens to a message that arrives while a turn runs, unless the message says otherwise. */
  busy: 'queue' | 'steer' | 'interrupt' | 'reject';
  /** Messages that sessions get by cron. */
  schedules: ScheduleEntry[];
  /** JSON Schema of its final answers; absent where they are text. */
  answer?: { [name: string]: JsonValue };
  /** The demo model answers in place of a provider without a key. */
  demo: boolean;
  /** sha256 of the definition. */
  digest: string;
}

/** An item of a sub-agent's stream, inside the stream of the session that called it. */
export interface AgentEvent {
  type: 'agent.event';
  /** The call that the sub-agent answers. */
  call_id: string;
  /** The sub-agent's own session. */
  session_id: string;
  /** The item's data, with its type as `type`. */
  event: SessionEvent;
}

export interface AgentList {
  /** All agents that serve. */
  agents: AgentEntry[];
  /** Why other agents are missing. */
  problems: DefinitionProblemEntry[];
  /** Where Temporal's Web UI is. */
  temporal_ui: string | null;
  /** Whether answers are shown as they are written: `ok`; not while Redis is away (`lost`); not without one (`missing`). */
  live: 'ok' | 'lost' | 'missing';
}

export interface AgentToolEntry {
  /** Its name. */
  name: string;
  /** What it is for. */
  description: string;
  /** JSON Schema of what a client tool gives; absent where any JSON is taken, and of other tools. */
  output?: { [name: string]: JsonValue };
}

/** The session runs another definition from now on. */
export interface AgentUpdated {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'agent.updated';
  /** The digest until now. */
  old: string;
  /** The digest from now on. */
  new: string;
  /** The agent that has taken the session over. */
  agent?: string;
}

export interface AnswerBody {
  /** The question, by which it is answered. */
  question_id: string;
  /** Of an approval; false for any other question means that no result will come. */
  approved?: boolean | null;
  /** What a client tool gives back: any JSON that fits its output schema. */
  result?: JsonValue;
  /** Told to the model when something is not allowed. */
  reason?: string | null;
  /** In place of the arguments that the model gave. */
  args?: { [name: string]: JsonValue } | null;
  /** Allows all further calls of this tool in this session, or those with the same arguments, as the question says. */
  remember?: boolean | null;
}

/** A call, or a rewind, waits until a person allows it. */
export interface ApprovalRequested {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'approval.requested';
  /** The question, by which it is answered. */
  question_id: string;
  /** `rewind`: whether a rewind may take calls back. `name` is `rewind` then, `args` say which, and `call_id` is the branch that will go on. */
  subject?: 'call' | 'budget' | 'handler' | 'server' | 'rewind';
  /** The tool call, such as `t7.s2.c1`; it pairs the call with its result. */
  call_id: string;
  /** Its name. */
  name: string;
  /** The arguments of the call. */
  args: { [name: string]: JsonValue };
  /** When it is answered by itself. */
  expires_at?: string;
  /** Why it is asked again. */
  reason?: 'tool_changed';
  /** What an answer can allow beyond this call; absent: all further calls of the tool. */
  remember?: 'never' | 'same_args';
  /** In words, where the call does not say it. */
  prompt?: string;
  /** Whoever answers has to hold one of these roles; absent: nobody in particular has to. */
  roles?: string[];
  /** And one of each of these, besides: a rewind may take back calls of several tools. */
  further_roles?: string[][];
  /** Subjects who may not answer, for they asked for the call. */
  not_by?: string[];
}

/** The call may run, or may not. */
export interface ApprovalResolved {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'approval.resolved';
  /** The question, by which it is answered. */
  question_id: string;
  /** The tool call, such as `t7.s2.c1`; it pairs the call with its result. */
  call_id: string;
  /** Whether the call may run; false where no result will come. */
  approved: boolean;
  /** Why. */
  reason?: string;
  /** Who answered; absent where nobody did. */
  by?: By;
}

/** A block of a handler. */
export interface Block {
  /** Its name in the definition. */
  handler: string;
  /** What it does, as the definition says it. */
  kind: 'respond' | 'generate' | 'choose' | 'call' | 'title';
  /** What people call it: the variable that its result goes to, or the tool that it calls. */
  name: string;
  /** Where it stands in the definition, as in `message[1].switch[0].do[0]`. */
  at: string;
  /** How much of it viewers are shown. */
  display: 'hidden' | 'name' | 'stream';
}

/** A tool held up others on its worker. */
export interface Blocked {
  /** For how long. */
  seconds: number;
  /** `file:line` of the code that did. */
  line: string;
}

export interface BranchEntry {
  /** Its id, such as `b2`. Every session begins on `b1`. */
  branch: string;
  /** The branch that it parted from; null for the first. */
  parent: string | null;
  /** Why it was begun: somebody went back to a message (`rewind`), or a failed or stopped turn was continued (`retry`). Null for the first. */
  cause: 'rewind' | 'back' | 'retry' | null;
  /** The parent's message that its own messages replace; null for the first. */
  message_id: string | null;
  /** Messages that it shares with its parent. */
  position: number;
  /** How many messages it has. */
  messages: number;
  /** When it was begun. */
  created_at: string;
  /** One line of its last message. */
  words: string;
}

export interface BranchList {
  /** The session's id. */
  session_id: string;
  /** The branch on which the conversation goes on. */
  current: string;
  /** The oldest first. */
  branches: BranchEntry[];
  /** Where other branches part from the current one. A message that was sent again unchanged is the same message, so there the branches part at its answer. */
  places: BranchPlace[];
}

/** A place where other branches part from the current one. */
export interface BranchPlace {
  /** Messages before it. */
  position: number;
  /** The message there, on the current branch; null if there is none, or if it is sealed. */
  message_id: string | null;
  /** For each message that was ever said there, in order, the branch that continued it last; `2/3` is the second of three. */
  siblings: string[];
  /** Which of them is the current branch, from 0. */
  current: number;
}

/** The next step does not fit below a cap. The turn waits as long as it takes, and then continues at that step. */
export interface BudgetPaused {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'budget.paused';
  /** The question, by which it is answered. */
  question_id: string;
  /** Whose limit it is. */
  scope: 'turn' | 'session' | 'user' | 'tenant';
  /** The limit: `cost_usd`, `tokens`, `tool_calls` or `working_time` (in seconds); of a user's or tenant's purse with its period, as in `day.cost_usd`; `provider` for the provider's own quota. */
  limit: string;
  /** In the unit of the limit; null for `provider`. */
  cap: number | null;
  /** Spent so far, in the unit of the limit. */
  spent: number;
  /** What the next step takes at worst, in the unit of the limit. */
  needs: number;
  /** Dollars spent so far; null where a price is unknown. */
  spent_usd: number | null;
  /** Dollars that the next step costs at worst; null where that is not what is missing. */
  needs_usd: number | null;
  /** What a person is asked. */
  prompt: string;
  /** The provider's own words. */
  words?: string;
  /** Of a turn: the handler whose own limit it is. A cap that is set in its place holds for this turn. */
  handler?: string;
}

/** More may be spent than before. */
export interface BudgetRaised {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'budget.raised';
  /** The question that this answers. */
  question_id?: string;
  /** Whose limit it is. */
  scope: 'turn' | 'session' | 'user' | 'tenant';
  /** The limit: `cost_usd`, `tokens`, `tool_calls` or `working_time` (in seconds); of a purse with its period, as in `day.cost_usd`; `provider` for the provider's own quota. */
  limit: string;
  /** How much may be spent now, in the unit of the limit; null: there is no cap any more, or the limit has no number. */
  value: number | null;
  /** This turn alone may spend so much; the cap stays. */
  this_turn?: boolean;
  /** Who decided. */
  by?: By;
}

/** Who answered, as the gateway knows it; what a caller says of itself is not asked. */
export interface By {
  /** `local`: there is no authentication, and it came from this machine. */
  subject: string;
  /** What that person or program may do. */
  scopes: string[];
}

/** A tool call of a step. */
export interface CallTrace {
  /** The tool call, such as `t7.s2.c1`; it pairs the call with its result. */
  call_id: string;
  /** Its name. */
  name: string;
  /** What the tool was called with; null until it starts. */
  args: { [name: string]: JsonValue } | null;
  /** When it started. */
  started_at: string | null;
  /** Milliseconds from the call's start to its end. */
  duration_ms: number | null;
  /** How often the tool was tried. */
  attempts: number | null;
  /** The result of the call. */
  result: ToolResult | null;
  /** The session of the sub-agent that answers the call. */
  session_id?: string;
  /** Open questions, the oldest first. */
  questions?: QuestionTrace[];
  /** The tool held up others on its worker. */
  blocked?: Blocked;
}

/** The most that may be spent. What is absent has no cap. */
export interface Caps {
  /** Dollars at most. */
  cost_usd?: number | null;
  /** Tokens at most, input and output together. */
  tokens?: number | null;
  /** Tool calls that run at most. */
  tool_calls?: number | null;
}

/** At a limit, the turn goes on with another model. */
export interface Cheaper {
  /** The role that takes over, one of `models`. If even its call does not fit, a person is asked. */
  cheaper: string;
}

/** What is left out stays as it is. */
export interface ConfigureSession {
  /** A role of the definition that the session runs. */
  model?: string | null;
  /** In place of all that there was; `timezone` is the session's time zone. */
  metadata?: { [name: string]: JsonValue } | null;
  /** Pins the session to the definition with this digest. */
  digest?: string | null;
  /** What the session is called in lists from now on. */
  title?: string | null;
}

/** From now on, models are shown a shortened form of the older part of the conversation. Viewers keep all of it. */
export interface ContextCompacted {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'context.compacted';
  /** The first of the events whose content is shortened. */
  from_seq: number;
  /** The last of them. */
  to_seq: number;
  /** Estimated tokens of the next request before it was shortened. */
  tokens_before: number;
  /** The same after. */
  tokens_after: number;
  /** `summarized`: a summary replaces these events' messages. `trimmed`: long tool results among them are cut to head and tail. `dropped`: no summary could be made, so they are left out. */
  how: 'summarized' | 'trimmed' | 'dropped';
  /** How many messages are shortened, counted from the beginning of the branch. */
  messages: number;
  /** Of these, counted from 0, those that stay word for word. */
  pinned?: number[];
  /** Bytes that each of these may have; longer ones are cut to head and tail. */
  pinned_bytes?: number;
  /** With `trimmed`: characters that stay of each result's head, and as many of its tail. */
  keep?: number;
  /** The model call that wrote the summary, as the trace has it. */
  step_id?: string;
  /** `provider/model` */
  model?: string;
  /** What models are shown in place of the messages. */
  summary?: string;
  /** Facts that are carried word for word from summary to summary. */
  facts?: string[];
  /** Facts for which there was no room. */
  dropped_facts?: number;
  /** The last date that these messages told the model, as in `2026-03-01`. */
  day?: string;
  /** What the summary used and cost; null: no model was asked. */
  usage?: Usage;
  /** Dollars; with `usage`, null when a price is unknown. */
  cost_usd: number | null;
  /** Of the model call that wrote the summary. */
  timing?: Timing;
  /** The attempt that wrote the summary, from 1. */
  attempt?: number;
  /** Of the JSON body that was sent to the provider for the summary. */
  request_sha256?: string;
  /** Why there is no summary. */
  error?: ToolError;
}

export interface CreateSession {
  /** The agent, by its name. */
  agent: string;
  /** What the agent is given at its start, by name. */
  inputs?: { [name: string]: JsonValue };
  /** Made by the caller, so that creating again after a lost answer is not a second session. */
  session_id?: string | null;
  /** The message. */
  message?: FirstMessage | null;
  /** Whom the session belongs to, as its creator says. */
  user?: string | null;
  /** What tools and the headers of MCP servers may know of the session. `timezone`, an IANA name, is its time zone. */
  metadata?: { [name: string]: JsonValue };
}

export interface MessageData {
  /** Which kind of thing this is. */
  type: 'data';
  /** Its name. */
  name: string;
  /** Any JSON. */
  value: JsonValue;
}

export interface DataPart {
  /** Which kind of thing this is. */
  type: 'data';
  /** Its name. */
  name: string;
  /** Any JSON. */
  value: JsonValue;
}

/** What is wrong in a file of an agent, which is refused until that is mended. */
export interface DefinitionProblemEntry {
  /** The file, relative to where the gateway was started if it lies below that. */
  file: string;
  /** From 1. */
  line: number;
  /** From 1. */
  column: number;
  /** As in `tools[1].timeout`; empty where the whole file is meant. */
  field: string;
  /** What is wrong, and what would be right. */
  message: string;
  /** The agent that answers as this file had it before; null where none does. */
  serving: string | null;
}

/** A message's content: one of `text` and `parts`. */
export interface EditMessageBody {
  /** The text. */
  text?: string | null;
  /** In order. Of a message: text, reasoning, tool calls, results, files and data. Of an answer that still streams: text, reasoning and the arguments of tool calls. */
  parts?: (TextPart | FilePart | DataPart)[] | null;
}

/** What somebody thinks of a turn; the latest counts. */
export interface FeedbackBody {
  /** A turn of the session, over or not. */
  turn_id: string;
  /** Any finite number; the scale is yours. The pages give 1 and -1, and 0 takes back what was given. */
  score: number;
  /** Why. */
  text?: string | null;
}

/** Somebody has rated the turn `turn_id`, which may be over for long. The latest feedback on a turn counts. */
export interface FeedbackGiven {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'feedback.given';
  /** The scale is the caller's. The pages give 1 and -1; 0 takes back what was given. */
  score: number;
  /** Why, in the words of whoever gave it. */
  text?: string;
  /** Who gave it. */
  by?: By;
}

export interface FeedbackTaken {
  /** The session's id. */
  session_id: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string;
  /** A cursor from before `feedback.given`; where nothing new was given, from behind it. */
  seq: number;
}

export interface FieldProblem {
  /** Its place in the request, as in `message.parts[0].text`. */
  field: string;
  /** What is wrong with it. */
  message: string;
}

export interface MessageFile {
  /** Which kind of thing this is. */
  type: 'file';
  /** `{tenant}/{session}/{sha256}` of a file that the session keeps; else an address. */
  uri: string;
  /** Such as `image/png`. */
  media_type: string;
  /** Its name. */
  name: string;
  /** Of a file that the session keeps. */
  bytes?: number;
  /** Of a picture, in pixels, as it is shown. */
  width?: number;
  /** Of a picture, in pixels, as it is shown. */
  height?: number;
  /** Of a document, as far as it is known. */
  pages?: number;
}

export interface FilePart {
  /** Which kind of thing this is. */
  type: 'file';
  /** The `uri` of an upload, a `data:` URI, or an address that begins with `http://` or `https://`. */
  uri: string;
  /** Needed for an address. For other files their content says what they are. */
  media_type?: string | null;
  /** Left out: that of the upload, or the end of the address. */
  name?: string | null;
}

export interface FileUploaded {
  /** For `file` parts of messages. */
  uri: string;
  /** The same, as OpenAI's clients read it: their `file_id`. */
  id: string;
  /** As its content says. */
  media_type: string;
  /** Its name. */
  name: string;
  /** Its size. */
  bytes: number;
}

/** Answer to `?wait=` where the turn has ended. */
export interface FinishedTurn {
  /** The session's id. */
  session_id: string;
  /** The message's id. */
  message_id: string;
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** How the turn ended. */
  turn: TurnOutcome;
  /** The turn's transcript. */
  messages: Message[];
}

/** A message, or simply its text. */
export interface FirstMessage {
  /** The text. */
  text?: string | null;
  /** In order. Of a message: text, reasoning, tool calls, results, files and data. Of an answer that still streams: text, reasoning and the arguments of tool calls. */
  parts?: (TextPart | FilePart | DataPart)[] | null;
  /** Made by the caller, so that sending again after a lost answer is not a second message. */
  message_id?: string | null;
  /** The role that answers this message, one of the models of the session's agent. Left out: the session's own. */
  model?: string | null;
  /** What happens to it while a turn runs: it waits for its turn (`queue`), joins the turn before its next step (`steer`), stops the turn and is next (`interrupt`), or is refused (`reject`). Left out: as the session's agent says. */
  busy?: 'queue' | 'steer' | 'interrupt' | 'reject' | null;
}

export interface ForkSession {
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string;
  /** Left out: the agent of the session that is forked. */
  agent?: string | null;
  /** A role of the definition that the fork runs. */
  model?: string | null;
  /** Takes the place of the turn's message, and is sent at once. */
  text?: string | null;
}

/** The session and the turn that a fork was made from. */
export interface ForkedFrom {
  /** The session's id. */
  session_id: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string;
}

/** The answer; a long one in short, for `tool.finished` has the whole. Outside of turns: to what a handler asked. */
export interface InputReceived {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'input.received';
  /** The question, by which it is answered. */
  question_id: string;
  /** Any JSON. */
  value: JsonValue;
  /** Who answered; absent where nobody did. */
  by?: By;
  /** Why nobody did: `superseded`, for people have said something else; `stopped`; `settled`, for a turn would not ask about a limit any more, as where another model answers; of what a handler asked also `expired`. Or what whoever declined has said, and `declined` where that is nothing and a handler asked. */
  reason?: string;
}

/** A call's result has to come from outside: from the browser or app, or from a person. Or a handler asks a person. */
export interface InputRequested {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'input.requested';
  /** The question, by which it is answered. */
  question_id: string;
  /** What it is about: a tool call, a budget, a handler's block, what an MCP server wants to know, or a rewind. */
  subject: 'call' | 'budget' | 'handler' | 'server' | 'rewind';
  /** What answers it: a client tool's `result`; the `fields` of a form that the call describes; the `outcome` of a call that was lost; or what the question's own `schema` says. */
  form: 'result' | 'fields' | 'outcome' | 'schema';
  /** The tool call, such as `t7.s2.c1`; it pairs the call with its result. */
  call_id?: string;
  /** Its name. */
  name: string;
  /** The arguments of the call. */
  args: { [name: string]: JsonValue };
  /** What a person is asked. */
  prompt?: string;
  /** JSON Schema of the answer where the question has one of its own. */
  output?: { [name: string]: JsonValue };
  /** When it is answered by itself. */
  expires_at?: string;
  /** Of a handler's: whoever answers has to hold one of these roles; absent: nobody in particular has to. */
  roles?: string[];
  /** Of a handler's: subjects who may not answer, for they asked the session for something. */
  not_by?: string[];
}

/** What a provider had declined, and later requests do not hold any more. */
export interface LeftOutShown {
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string;
  /** The step whose answer was declined. */
  step_id: string;
  /** Calls whose results give way to a note; absent where the whole exchange is left out. */
  calls?: string[];
}

/** How much a turn and a session may do and cost. */
export interface Limits {
  /** Limits of one turn. */
  turn?: TurnLimits;
  /** Limits of the session as a whole. */
  session?: SessionLimits;
  /** What all sessions of one user may spend together. */
  user?: PurseLimits;
  /** What all sessions of the tenant may spend together. */
  tenant?: PurseLimits;
  /** What happens when the next step could exceed a limit. `ask`: the turn waits until a person allows it, raises the limit or declines. `stop`: the turn ends. `{cheaper: ROLE}`: the model of that role takes over. Default: ask. */
  on_limit?: 'ask' | 'stop' | Cheaper;
}

export interface LimitsChanged {
  /** The session's id. */
  session_id: string;
  /** Those that hold now. */
  limits: Limits;
}

/** One entry of the transcript. */
export interface Message {
  /** Unique in the session. */
  id: string;
  /** Who speaks. */
  role: 'user' | 'assistant' | 'tool';
  /** In order. Of a message: text, reasoning, tool calls, results, files and data. Of an answer that still streams: text, reasoning and the arguments of tool calls. */
  parts: (MessageText | MessageReasoning | ToolCall | ToolResult | MessageFile | MessageData)[];
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn was stopped while this message was being written; it holds what had come by then. */
  stopped?: boolean;
  /** What the client that sent it calls the run that it began, for protocols in which clients name runs. */
  run_id?: string;
}

export interface MessageAccepted {
  /** The session's id. */
  session_id: string;
  /** The message's id. */
  message_id: string;
  /** A cursor from before the message's first event. */
  seq: number;
  /** The session's status with the message in it; or `steering`, if the message is to join the running turn, or `interrupting`, if that turn is being stopped for it. */
  status: 'idle' | 'working' | 'waiting' | 'closed' | 'steering' | 'interrupting';
  /** Where the message waits, from 1; absent where it does not wait. */
  position?: number;
  /** Open questions, those of sub-agents with the `session_id` at which they are answered; absent where there are none. */
  waiting_for?: (Question | SubQuestion)[];
}

/** A user's message, the session's own note for a timer, or a text that a handler says is in the transcript. */
export interface MessageAdded {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'message.added';
  /** The message. */
  message: Message;
}

export interface MessageEdited {
  /** The session's id. */
  session_id: string;
  /** The message's id. */
  message_id: string;
  /** Where the message waits, from 1; absent where its turn has just begun, with the new content. */
  position?: number;
}

export interface MessageNamed {
  /** The session's id. */
  session_id: string;
  /** The message's id. */
  message_id: string;
}

/** Messages of a session, in order. */
export interface MessagePage {
  /** The session's id. */
  session_id: string;
  /** Messages of the transcript, oldest first. */
  messages: Message[];
  /** Messages that come before these: `before` of the page that precedes this one; 0 where there are none. */
  before: number;
  /** A cursor from before the turn of the first of these messages: the events greater than it tell them and all that followed. Absent where the branch was another one meanwhile, or where the events are no longer kept. */
  since?: number;
}

/** A message, or a trigger by its id, waits while a turn runs; `position` 1 is next. The event comes again with `message` once the message is edited, and without `busy` once the turn that it was to join has ended. */
export interface MessageQueued {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'message.queued';
  /** The message's id. */
  message_id: string;
  /** Its place in the queue; 1 is next. */
  position: number;
  /** `steer`: it joins the running turn before its next step. `interrupt`: it has interrupted that turn, and is next. */
  busy?: 'steer' | 'interrupt';
  /** The message, once it was edited. */
  message?: Message;
}

/** A message, or a trigger, will have no turn; or no handler will have this event. */
export interface MessageRejected {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'message.rejected';
  /** The message's id. */
  message_id: string;
  /** Why. */
  reason: string;
}

/** Answer to `?wait=` where the session waits for a person. */
export interface MessageWaits {
  /** The session's id. */
  session_id: string;
  /** The message's id. */
  message_id: string;
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** What it is doing. */
  status: 'waiting';
  /** Where the message stood in the queue as it was taken, from 1; absent where its turn had begun. */
  position?: number;
  /** Open questions, the oldest first. */
  questions: Question[];
  /** Of sub-agents, each with the `session_id` at which it is answered; absent where there are none. */
  sub_questions?: SubQuestion[];
}

/** Another model answers: from this step on, or the rest of this step, whose model could not. */
export interface ModelSwitched {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'model.switched';
  /** The step, such as `t7.s2`. */
  step_id: string;
  /** The model that answered before, as `provider/model`. */
  from: string;
  /** The model that answers from now on, as `provider/model`. */
  to: string;
  /** What the session was told: `configured`, `message`, `definition`. Or why the model before gave no answer: `overloaded`, `rate_limited`, `unavailable`, `server_error`, `connection`, `timeout`, `truncated`, `aborted`, `unexpected`, `quota`, `key`, `not_found`, `refusal`, `content_filter`. Or `budget`: the model before did not fit below a limit. */
  reason: string;
}

/** The call that a sub-agent's session answers. */
export interface Parent {
  /** The session's id. */
  session_id: string;
  /** The tool call, such as `t7.s2.c1`; it pairs the call with its result. */
  call_id: string;
  /** Subjects who asked the sessions above this one for something; see `core/approvers.py`. */
  requesters?: string[];
}

/** What the model was told. */
export interface PromptShown {
  /** The instructions, with the inputs filled in. */
  system: string;
  /** Exchanges that come before the conversation. */
  examples: Message[];
  /** Messages of the transcript, oldest first. */
  messages: Message[];
  /** The tools. */
  tools: ToolSpec[];
  /** JSON Schema that the final answer has to keep to; absent where it is text. */
  output?: { [name: string]: JsonValue };
  /** Messages at the beginning of the conversation that are not among `messages`: a summary stands for them. */
  folded?: number;
  /** Ids of those of `messages` whose long results are given in short. */
  shortened?: string[];
  /** What of the conversation is not given, because a provider declined it. */
  left_out?: LeftOutShown[];
}

/** What all sessions of a user, or of a tenant, may spend together. */
export interface PurseLimits {
  /** In one day, by UTC. */
  day?: Caps | null;
  /** In one calendar month, by UTC. */
  month?: Caps | null;
  /** In all. */
  total?: Caps | null;
}

/** What a session waits for from outside. It is answered by `question_id`, once. */
export interface Question {
  /** The question, by which it is answered. */
  question_id: string;
  /** Which kind it is. */
  kind: 'approval' | 'input' | 'budget';
  /** What it is about: a tool call, a budget, a handler's block, what an MCP server wants to know, or a rewind. */
  subject: 'call' | 'budget' | 'handler' | 'server' | 'rewind';
  /** Of an input question. */
  form?: 'result' | 'fields' | 'outcome' | 'schema';
  /** The tool call, such as `t7.s2.c1`; it pairs the call with its result. */
  call_id?: string;
  /** Its name. */
  name?: string;
  /** The arguments of the call. */
  args?: { [name: string]: JsonValue };
  /** What a person is asked. */
  prompt?: string;
  /** JSON Schema of the answer where the question has one of its own; absent: that of the tool's result. */
  output?: { [name: string]: JsonValue };
  /** When it is answered by itself; absent: never. */
  expires_at?: string;
  /** Of an approval: why it is asked again, what of it can be remembered, and what it is bound to. */
  reason?: 'tool_changed';
  /** What an answer may allow beyond this call. */
  remember?: 'never' | 'same_args';
  /** Whoever answers has to hold one of these roles; none: nobody in particular has to. */
  roles?: string[];
  /** Of an approval: and one of each of these, besides; a rewind may take back calls of several tools. */
  further_roles?: string[][];
  /** Subjects who may not answer, for they asked for what it is about. */
  not_by?: string[];
  /** Of a budget question. */
  budget?: Shortfall;
}

export interface QuestionAnswered {
  /** The session's id. */
  session_id: string;
  /** The question, by which it is answered. */
  question_id: string;
  /** A cursor from before the answer's first event. */
  seq: number;
}

/** What was asked about a call, and how it was settled. */
export interface QuestionTrace {
  /** The question, by which it is answered. */
  question_id: string;
  /** Which kind it is. */
  kind: 'approval' | 'input';
  /** When it was asked. */
  asked_at: string;
  /** What a person is asked. */
  prompt?: string;
  /** When it is answered by itself. */
  expires_at?: string;
  /** Absent while the question is open. */
  resolved_at?: string;
  /** Whether the call may run; false where no result will come. */
  approved?: boolean;
  /** Why. */
  reason?: string;
  /** Who answered. */
  by?: By;
  /** The answer to an input question. */
  value?: JsonValue;
}

export interface MessageReasoning {
  /** Which kind of thing this is. */
  type: 'reasoning';
  /** The text. */
  text: string;
}

export interface RetryTurn {
  /** Made by the caller, so that sending again after a lost answer is not a second try. */
  retry_id?: string | null;
  /** Left out: the last turn, the only one that can be continued. */
  turn_id?: string | null;
  /** The role that answers, one of the models of the session's agent. Left out: the role that the turn's message asked for. */
  model?: string | null;
}

/** Goes back to a message (`message_id`), which may be replaced, or returns to a branch (`branch`). */
export interface RewindSession {
  /** Made by the caller, so that sending again after a lost answer is not a second rewind. */
  rewind_id?: string | null;
  /** This message and all later ones leave. A user's message is sent again, or replaced by `text` or `parts`; an answer of the model is given again. */
  message_id?: string | null;
  /** The earlier branch to return to. */
  branch?: string | null;
  /** The text. */
  text?: string | null;
  /** In order. Of a message: text, reasoning, tool calls, results, files and data. Of an answer that still streams: text, reasoning and the arguments of tool calls. */
  parts?: (TextPart | FilePart | DataPart)[] | null;
  /** The role that answers, one of the models of the session's agent. Left out: the session's own. */
  model?: string | null;
  /** Whether the calls that leave are taken back, by the `undo` of their tools. Left out: a person is asked, if there are any. */
  undo?: boolean | null;
}

export interface RewindTaken {
  /** The session's id. */
  session_id: string;
  /** The rewind, as its caller or the gateway named it. */
  rewind_id: string;
  /** A cursor from before the rewind's first event. */
  seq: number;
  /** The branch that goes on once it has happened. */
  branch: string;
  /** The message that begins the turn that follows; absent where none does. */
  message_id?: string;
}

/** A schedule of an agent. */
export interface ScheduleEntry {
  /** When, in five fields: minute, hour, day of month, month, day of week. `0 9 * * MON` is Mondays at 9:00. Where both kinds of day are given, either is enough. */
  cron: string;
  /** The time zone of `cron`, by its name, as in `Europe/Berlin`. Default: UTC. */
  timezone: string;
  /** The id of the session that gets the message, or carries the handler out. The first time starts it; once it is closed, `{session}-2` takes its place, and so on. */
  session: string;
  /** What the session is told: up to 8000 characters. Either this or `handler` is given. */
  message?: string;
  /** The handler, one of `handlers`, that the session carries out: in a turn of its own, behind what runs. */
  handler?: string;
  /** What happens to the message when it finds the session at work, whatever the agent's `busy` says: it waits (`queue`), joins the turn (`steer`), stops it (`interrupt`), or is skipped this time (`reject`). Default: queue. A handler always waits. */
  busy?: 'queue' | 'steer' | 'interrupt' | 'reject';
  /** The user to whom a session belongs that the schedule starts; up to 200 characters. */
  user: string | null;
  /** When it is due next; only for a single agent. */
  next?: string[];
}

/** The last event of a session. */
export interface SessionClosed {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'session.closed';
  /** Why. */
  reason: string;
}

export interface SessionCreated {
  /** The session's id. */
  session_id: string;
  /** The id of its workflow in Temporal. */
  workflow_id: string;
  /** A cursor from before the session's first new event. */
  seq: number;
}

/** A session as the list shows it. */
export interface SessionEntry {
  /** The session's id. */
  session_id: string;
  /** The id of its workflow in Temporal. */
  workflow_id: string;
  /** The agent, by its name. */
  agent: string;
  /** What it is doing. */
  status: 'idle' | 'working' | 'waiting' | 'closed';
  /** Whom the session belongs to, as its creator says. */
  user: string | null;
  /** When the session was created. */
  created_at: string;
  /** Dollars. */
  cost_usd: number;
  /** When its status last changed, between work, waiting and rest; when it was created where it has had no turn. */
  active_at: string;
  /** How its last turn ended; null where none has, or where its worker does not tell. */
  last_turn: 'done' | 'stopped' | 'interrupted' | 'budget' | 'max_steps' | 'parked' | 'failed' | null;
  /** What a person or a model has called it, or else the beginning of its first message. */
  title: string;
  /** The demo model answers. */
  demo: boolean;
  /** The session whose call this one answers. */
  parent?: string;
  /** The session whose past it began with. */
  forked_from?: string;
}

/** Limits of a session as a whole. */
export interface SessionLimits {
  /** Dollars that a session may cost in all, its sub-agents included. Without it, there is no cap. */
  cost_usd?: number | null;
  /** Tokens that a session may use in all, input and output together. Without it, there is no cap. */
  tokens?: number | null;
  /** Tool calls that a session may run in all. Without it, there is no cap. */
  tool_calls?: number | null;
  /** Tool calls that run at the same time in one session; the others wait their turn. Default: 32. */
  parallel_calls?: number;
}

export interface SessionList {
  /** Sessions, the newest first. */
  sessions: SessionEntry[];
  /** For the next page; null on the last. */
  next_cursor: string | null;
}

export interface SessionNamed {
  /** The session's id. */
  session_id: string;
}

/** The session exists, and runs this definition. */
export interface SessionStarted {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'session.started';
  /** The agent, by its name. */
  agent: string;
  /** sha256 of the definition. */
  digest: string;
  /** What the agent is given at its start, by name. */
  inputs: { [name: string]: JsonValue };
}

/** What the next step needs does not fit below a cap. */
export interface Shortfall {
  /** Whose limit it is. */
  scope: 'turn' | 'session' | 'user' | 'tenant';
  /** The name of the limit: `cost_usd`, `tokens`, `tool_calls`, `working_time` (in seconds); of a purse with its period, as in `day.cost_usd`; `provider`: the provider's own quota, of which no numbers are known. */
  limit: string;
  /** Each in the unit of the limit. `spent` counts what is set aside for others. */
  cap: number | null;
  /** What is spent so far, in the unit of the limit. */
  spent: number;
  /** What the next step takes at worst, in the unit of the limit. */
  needs: number;
  /** Dollars; null where a price is unknown. */
  spent_usd: number | null;
  /** Dollars that the next step costs at worst; null where that is not what is missing. */
  needs_usd: number | null;
  /** The provider's own words. */
  words?: string;
  /** Of a turn: the handler whose own limit it is. */
  handler?: string;
}

/** A session in whole, or with its last messages. */
export interface Snapshot {
  /** The session's id. */
  session_id: string;
  /** The id of the session's workflow in Temporal. */
  workflow_id: string;
  /** The agent, by its name. */
  agent: string;
  /** sha256 of the definition. */
  digest: string;
  /** Whether the session stays on this definition. */
  pinned: boolean;
  /** The model. */
  model: string;
  /** The model in use, as `provider/model`; null until the definition is loaded. */
  use: string | null;
  /** What it is doing. */
  status: 'idle' | 'working' | 'waiting' | 'closed';
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Whom the session belongs to, as its creator says. */
  user: string | null;
  /** What the caller has put down about the session. */
  metadata: { [name: string]: JsonValue };
  /** What the agent is given at its start, by name. */
  inputs: { [name: string]: JsonValue };
  /** What a turn and the session may do and spend. */
  limits: Limits;
  /** Tokens. */
  usage: Usage;
  /** Dollars; null when a price is unknown. */
  cost_usd: number | null;
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When the session was created. */
  created_at: string;
  /** What a person or a model has called it. */
  title?: string;
  /** null unless the session is a fork. */
  forked_from: ForkedFrom | null;
  /** Whether the demo model answers. */
  demo: boolean;
  /** The agent's to-do list. */
  todo?: TodoItem[];
  /** The latest feedback on each turn that has some, of the 200 turns that were rated last. */
  feedback?: TurnScore[];
  /** Messages that wait for a turn, long ones shortened; where they are very many, the first ones. */
  queued: Message[];
  /** Messages of the transcript, oldest first. */
  messages: Message[];
  /** A cursor from before the turn of the first of these messages: the events greater than it tell them all. Absent where the branch was another one meanwhile, or where the events are no longer kept. */
  since?: number;
  /** The branch that goes on. */
  branch: string;
  /** How many branches there have been. */
  branches: number;
  /** Those that are open, the oldest first, as many as fit. */
  questions: Question[];
  /** The session whose call this one answers. */
  parent?: Parent;
  /** Its answer as a checked value, where the definition says the form of answers (`answer:`) and the turn is done. */
  result?: { [name: string]: JsonValue };
  /** Messages that come before these; only where a number of messages was asked for. */
  before?: number;
  /** Open questions of sub-agents. */
  sub_questions?: SubQuestion[];
}

export interface SnapshotPart {
  /** Which kind of thing this is. */
  type: 'text' | 'reasoning' | 'tool_input';
  /** The text. */
  text: string;
  /** Of the tool, for `tool_input`. */
  name?: string;
}

/** A call whose effect still stands, or may. */
export interface Standing {
  /** The tool call, such as `t7.s2.c1`; it pairs the call with its result. */
  call_id: string;
  /** Its name. */
  name: string;
  /** Long ones in short. */
  args: { [name: string]: JsonValue };
  /** In words. */
  why: string;
}

/** A fragment of a step that streams. It may be lost, and is never sent again: `step.finished` has the whole. */
export interface StepDelta {
  type: 'step.delta';
  /** The step, such as `t7.s2`. */
  step_id: string;
  /** The attempt at the step, from 1. */
  attempt: number;
  /** Counts from 0 in an attempt. After a gap comes a `step.snapshot`. */
  n: number;
  /** The index of the part that grows. */
  part: number;
  /** Which kind it is. */
  kind: 'text' | 'reasoning' | 'tool_input';
  /** What is added to the part. */
  delta: string;
  /** Of the tool, with the first fragment of a call. */
  name?: string;
}

/** The model has answered; `message` is its whole answer, with its tool calls. It is empty where a handler's block keeps the answer to itself, which the trace shows. */
export interface StepFinished {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'step.finished';
  /** The step, such as `t7.s2`. */
  step_id: string;
  /** The message. */
  message: Message;
  /** The model. */
  model: string;
  /** Tokens. */
  usage: Usage;
  /** Dollars; null when a price is unknown. */
  cost_usd: number | null;
  /** How long the answer took. */
  timing: Timing;
  /** Why the model's answer ended. */
  stop: 'end' | 'tool_calls' | 'max_tokens' | 'stop_sequence' | 'refusal' | 'content_filter' | 'context_window' | 'pause' | 'repetition' | 'stopped' | 'error' | 'other';
  /** The attempt at the step, from 1. */
  attempt: number;
  /** Of the JSON body that was sent to the provider; null when none was. */
  request_sha256: string | null;
  /** The provider's own word for an end that `stop` has no name for. */
  stop_raw?: string;
  /** What of the request was left out or renamed because its server refused it, in words. */
  adapted?: string[];
  /** Pieces of the answer whose shape was not known, and which were passed over. */
  skipped?: number;
  /** The block of a handler that the step belongs to. */
  block?: Block;
  /** Why the answer is not of the form that the definition asks for (`answer:`), in words. */
  misfit?: string;
}

/** A model call has failed and is tried again. Each one replaces the last; a fragment of the step, or its `step.finished`, says that it is over. It comes within seconds, and to whoever comes meanwhile. */
export interface StepRetrying {
  type: 'step.retrying';
  /** The step, such as `t7.s2`. */
  step_id: string;
  /** Attempts that failed. */
  failures: number;
  /** Why the last attempt failed; its type is `worker_died` where it was no fault of the provider's. */
  error: ToolError;
  /** When the next attempt begins; null: it has begun. */
  retry_at: string | null;
}

/** All that an attempt at a step has streamed so far. It replaces what a viewer has of the step. */
export interface StepSnapshot {
  type: 'step.snapshot';
  /** The step, such as `t7.s2`. */
  step_id: string;
  /** The attempt at the step, from 1. */
  attempt: number;
  /** Of the next delta. */
  n: number;
  /** In order. Of a message: text, reasoning, tool calls, results, files and data. Of an answer that still streams: text, reasoning and the arguments of tool calls. */
  parts: SnapshotPart[];
}

/** The model is called. */
export interface StepStarted {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'step.started';
  /** The step, such as `t7.s2`. */
  step_id: string;
  /** The model. */
  model: string;
  /** The block of a handler that the step belongs to. */
  block?: Block;
}

/** A step: what the model was told, what it answered, what its tools did. */
export interface StepTrace {
  /** The step, such as `t7.s2`. */
  step_id: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string;
  /** `provider/model` */
  model: string;
  /** The role, a key of the definition's `models`. */
  role: string;
  /** `compact`: it summarised the older part of the conversation, beside the turns; its answer is the summary. `generate`: a handler asked for a value. */
  purpose?: 'answer' | 'compact' | 'generate';
  /** The block of a handler that the step belongs to. */
  block?: Block;
  /** sha256 of the definition. */
  digest: string;
  /** What it is doing. */
  status: 'running' | 'finished';
  /** When it started. */
  started_at: string | null;
  /** When it finished. */
  finished_at: string | null;
  /** Null where the session no longer keeps the definition that the step ran with, and with `prompts=false`. */
  prompt: PromptShown | null;
  /** The body for the provider, as today's code builds it. */
  request: JsonValue;
  /** sha256 of the body that was sent. */
  request_sha256: string | null;
  /** Whether `request` is what was sent; null where that cannot be said. */
  request_matches: boolean | null;
  /** The message. */
  message: Message | null;
  /** Why the model's answer ended. */
  stop: 'end' | 'tool_calls' | 'max_tokens' | 'stop_sequence' | 'refusal' | 'content_filter' | 'context_window' | 'pause' | 'repetition' | 'stopped' | 'error' | 'other' | null;
  /** The attempt at the step, from 1. */
  attempt: number | null;
  /** Tokens. */
  usage: Usage | null;
  /** Dollars. */
  cost_usd: number | null;
  /** How long the answer took. */
  timing: Timing | null;
  /** The provider's own word for an end that `stop` has no name for. */
  stop_raw?: string;
  /** What of the request was left out or renamed because its server refused it, in words. */
  adapted?: string[];
  /** Pieces of the answer whose shape was not known, and which were passed over. */
  skipped?: number;
  /** Why the answer is not of the form that the definition asks for, in words. */
  misfit?: string;
  /** The models of the route that gave no answer, in order. */
  tried?: TriedModel[];
  /** The tools. */
  tools: CallTrace[];
}

/** A question of a sub-agent. */
export interface SubQuestion {
  /** The question, by which it is answered. */
  question_id: string;
  /** Which kind it is. */
  kind: 'approval' | 'input' | 'budget';
  /** What it is about: a tool call, a budget, a handler's block, what an MCP server wants to know, or a rewind. */
  subject: 'call' | 'budget' | 'handler' | 'server' | 'rewind';
  /** Of an input question. */
  form?: 'result' | 'fields' | 'outcome' | 'schema';
  /** The tool call, such as `t7.s2.c1`; it pairs the call with its result. */
  call_id?: string;
  /** Its name. */
  name?: string;
  /** The arguments of the call. */
  args?: { [name: string]: JsonValue };
  /** What a person is asked. */
  prompt?: string;
  /** JSON Schema of the answer where the question has one of its own; absent: that of the tool's result. */
  output?: { [name: string]: JsonValue };
  /** When it is answered by itself; absent: never. */
  expires_at?: string;
  /** Of an approval: why it is asked again, what of it can be remembered, and what it is bound to. */
  reason?: 'tool_changed';
  /** What an answer may allow beyond this call. */
  remember?: 'never' | 'same_args';
  /** Whoever answers has to hold one of these roles; none: nobody in particular has to. */
  roles?: string[];
  /** Of an approval: and one of each of these, besides; a rewind may take back calls of several tools. */
  further_roles?: string[][];
  /** Subjects who may not answer, for they asked for what it is about. */
  not_by?: string[];
  /** Of a budget question. */
  budget?: Shortfall;
  /** The session at which it is answered. */
  session_id: string;
  /** The agents from the session's own sub-agent down to the one that asks. */
  agents: string[];
}

export interface MessageText {
  /** Which kind of thing this is. */
  type: 'text';
  /** The text. */
  text: string;
}

export interface TextPart {
  /** Which kind of thing this is. */
  type: 'text';
  /** The text. */
  text: string;
}

/** A timer's time has come; its turn is next. */
export interface TimerFired {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'timer.fired';
  /** The timer. */
  timer_id: string;
}

/** The agent wakes up by itself when the timer fires, or when it next comes to rest after that. */
export interface TimerSet {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it fires. */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'timer.set';
  /** The timer. */
  timer_id: string;
  /** What the agent wrote down for when it wakes up. */
  note: string;
  /** When the timer was set. */
  set_at: string;
}

/** Milliseconds from the provider request of the attempt that succeeded. */
export interface Timing {
  /** Until the first fragment of the answer; null where none came. */
  first_token_ms: number | null;
  /** From the request to the end of the answer. */
  total_ms: number;
}

export interface TodoItem {
  /** Stays the same while the item is on the list. */
  id: string;
  /** What is to be done. */
  text: string;
  /** How far it is. */
  status: 'pending' | 'doing' | 'done';
}

/** The agent's to-do list is now this. After a rewind it comes again where the branch that goes on has another list. */
export interface TodoUpdated {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'todo.updated';
  /** The whole list, in order. */
  items: TodoItem[];
}

export interface ToolCall {
  /** Which kind of thing this is. */
  type: 'tool_call';
  /** Ours, deterministic: `t7.s2.c1`. The provider's own id lives in `native` only. */
  call_id: string;
  /** Its name. */
  name: string;
  /** As conditions, people and the tool see them: validated, coerced, with defaults, where `checked` says so. */
  args: { [name: string]: JsonValue };
}

/** A failure as data: the `output` of a tool result with `is_error`, and the `error` of a turn. */
export interface ToolError {
  /** Which kind of thing this is. */
  type: string;
  /** The message. */
  message: string;
  /** Whether trying again may help. */
  retryable: boolean;
  /** What a tool returned beside its words: data, pictures, files. */
  content?: JsonValue[];
}

/** A tool call has its result. */
export interface ToolFinished {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'tool.finished';
  /** The tool call, such as `t7.s2.c1`; it pairs the call with its result. */
  call_id: string;
  /** Its name. */
  name: string;
  /** The result of the call. */
  result: ToolResult;
  /** How often the tool was tried. */
  attempts?: number;
  /** Milliseconds from the call's start to its end. */
  duration_ms: number;
  /** What a sub-agent spent, which counts as this session's; absent: the call ran no model. */
  usage?: Usage;
  /** Dollars; with `usage`, absent when a price is unknown. */
  cost_usd?: number;
  /** The call that this one took back, for a rewind; the model is not shown its result. */
  undoes?: string;
  /** The block of a handler that made the call; no model is shown its result. */
  block?: Block;
}

/** How far a tool call is. Each one replaces the last. */
export interface ToolProgress {
  type: 'tool.progress';
  /** The tool call, such as `t7.s2.c1`; it pairs the call with its result. */
  call_id: string;
  /** What the tool says. */
  message?: string;
  /** From 0 to 1. */
  fraction?: number;
}

export interface ToolResult {
  /** Which kind of thing this is. */
  type: 'tool_result';
  /** The tool call, such as `t7.s2.c1`; it pairs the call with its result. */
  call_id: string;
  /** Its name. */
  name: string;
  /** Any JSON; with `is_error`, a dumped `ToolError`. */
  output: JsonValue;
  /** Whether the call failed; `output` is then a ToolError. */
  is_error: boolean;
}

/** What a model is told of a tool. */
export interface ToolSpec {
  /** Its name. */
  name: string;
  /** What it is for. */
  description: string;
  /** JSON Schema of the arguments, always of `type: object`. */
  input: { [name: string]: JsonValue };
  /** JSON Schema of the result; null: anything. */
  output: { [name: string]: JsonValue } | null;
  /** Its schemas are an MCP server's, and so not to be trusted with the time that it takes to apply them. */
  foreign?: boolean;
  /** Its calls are told on whose behalf they are made. */
  context?: boolean;
}

/** A tool call runs. */
export interface ToolStarted {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'tool.started';
  /** The tool call, such as `t7.s2.c1`; it pairs the call with its result. */
  call_id: string;
  /** Its name. */
  name: string;
  /** The arguments of the call. */
  args: { [name: string]: JsonValue };
  /** Of the session in which a sub-agent answers this call. */
  session_id?: string;
  /** The call that this one takes back, for a rewind. */
  undoes?: string;
  /** The block of a handler that makes the call, in place of a model. */
  block?: Block;
}

export interface Trace {
  /** Steps, the oldest first. */
  steps: StepTrace[];
  /** For `after` of the next page; null on the last, and where `before` was given. */
  next_cursor: number | null;
  /** For `before` of the page that precedes this one; absent on the first, and where `before` was not given. */
  previous_cursor?: number;
}

/** The conversation goes on along another branch: the first `kept` messages stay; `message_id` and later ones leave. */
export interface TranscriptRewound {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'transcript.rewound';
  /** The first message that leaves, or, where none does, the first that comes back. */
  message_id: string;
  /** The branch that goes on. One that was there before (`cause: back`) has its messages again, as they were. */
  branch: string;
  /** The branch that is left, which stays as it is. */
  left: string;
  /** Messages that stay, on both branches. */
  kept: number;
  /** Why another branch goes on. */
  cause: 'rewind' | 'back' | 'retry';
  /** Calls of the part that is left whose effects were taken back, the last one first. */
  undone?: Undone[];
  /** Calls of the part that is left whose effects still stand: the first of them. */
  stands?: Standing[];
  /** How many further calls still stand, by tool. */
  stands_more?: { [name: string]: number };
  /** With `back`: calls of the branch that goes on again which were taken back since it was left. */
  undone_since?: Undone[];
}

/** A model that was asked before and gave no answer. */
export interface TriedModel {
  /** `provider/model` */
  model: string;
  /** As in `model.switched`. */
  reason: string;
  /** The message. */
  message: string;
  /** How often the tool was tried. */
  attempts: number;
  /** Dollars, which are in the step's. */
  cost_usd: number | null;
}

/** The agent rests. */
export interface TurnFinished {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'turn.finished';
  /** Why. */
  reason: 'done' | 'stopped' | 'interrupted' | 'budget' | 'max_steps' | 'parked' | 'failed';
  /** Why it failed. */
  error?: ToolError;
  /** Tokens. */
  usage: Usage;
  /** Dollars; null when a price is unknown. */
  cost_usd: number | null;
  /** The answer as a checked value, where the definition says its form (`answer:`) and the turn is done. */
  result?: { [name: string]: JsonValue };
}

/** Limits of one turn: from a message until the agent rests. */
export interface TurnLimits {
  /** Model calls in one turn; the turn ends after the last. Default: 25. */
  steps?: number;
  /** Tool calls that one model call may ask for; any more get an error as their result. Default: 64. */
  calls_per_step?: number;
  /** Dollars that one turn may cost. Without it, there is no cap. */
  cost_usd?: number | null;
  /** Tokens that one turn may use, input and output together. Without it, there is no cap. */
  tokens?: number | null;
  /** Tool calls that one turn may run, those of its sub-agents included. Without it, there is no cap. */
  tool_calls?: number | null;
  /** How long models and tools may work in one turn, as in `5m`. The time in which the turn waits for people does not count. A model or tool that still works then is ended, and what the model has said stays. Without it, there is no cap. */
  working_time?: string | null;
  /** How often the same tool call may have the same result in one turn. The next such call does not run, and if the model insists, the turn fails. Default: 4. */
  repeats?: number;
}

/** How a turn ended. */
export interface TurnOutcome {
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string;
  /** Why. */
  reason: 'done' | 'stopped' | 'interrupted' | 'budget' | 'max_steps' | 'parked' | 'failed';
  /** Why it failed. */
  error?: ToolError;
  /** Tokens. */
  usage: Usage;
  /** Dollars; null when a price is unknown. */
  cost_usd: number | null;
  /** The answer as a checked value, where the definition says its form (`answer:`) and the turn is done. */
  result?: { [name: string]: JsonValue };
}

export interface TurnRetried {
  /** The session's id. */
  session_id: string;
  /** The try, as its caller or the gateway named it. */
  retry_id: string;
  /** A cursor from before the first event of the try. */
  seq: number;
  /** The branch that goes on. */
  branch: string;
  /** The new turn. */
  turn_id: string;
}

/** The latest feedback on a turn; what was said with it is in its event. */
export interface TurnScore {
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string;
  /** The scale is the caller's. The pages give 1 and -1. */
  score: number;
}

/** The agent begins to work. */
export interface TurnStarted {
  /** The event's number in its session, from 1; elsewhere the number of the last event. */
  seq: number;
  /** When it happened (RFC 3339). */
  at: string;
  /** The turn, such as `t7`; null outside of turns. */
  turn_id: string | null;
  /** Which kind of thing this is. */
  type: 'turn.started';
  /** What began the turn. */
  cause: 'message' | 'trigger' | 'timer' | 'answer';
  /** The handler that the turn carries out; without one, the agent responds. */
  handler?: string;
  /** The trigger that began it, or the event that its handler goes on with. */
  trigger_id?: string;
  /** The turn that this one runs on, or whose answer it gives again: it has no message of its own. */
  continues?: string;
}

/** A call whose effect another call took back. */
export interface Undone {
  /** The tool call, such as `t7.s2.c1`; it pairs the call with its result. */
  call_id: string;
  /** Its name. */
  name: string;
  /** The tool that took it back. */
  by: string;
  /** Its call. */
  undo_call_id: string;
}

/** Tokens. `input_tokens` is the total, cached and written ones included; `output_tokens` includes reasoning. */
export interface Usage {
  /** All tokens that the model read, cached and written ones included. */
  input_tokens: number;
  /** Read from the provider's cache. */
  cached_tokens: number;
  /** Written to the provider's cache, which some providers charge at a rate of its own. */
  cache_write_tokens: number;
  /** All tokens that the model wrote, reasoning included. */
  output_tokens: number;
  /** Of the output, tokens of reasoning. */
  reasoning_tokens: number;
  /** At least one number is an estimate, because the server reported none. */
  estimated?: boolean;
}

/** What no worker takes at the moment. It comes where something is missing, and with each change; a stream that has had none of it since it was opened misses nothing. What was accepted is kept, and goes on when a worker is there again. */
export interface WorkersState {
  type: 'workers.state';
  /** `sessions`: nothing goes on. `models`, `tools`: calls that are sent to their own task queue wait. */
  missing: ('sessions' | 'models' | 'tools')[];
}
