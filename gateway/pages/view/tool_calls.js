/**
 * The state of one tool call and its questions: pure functions of a call (see `view.js`) and one event.
 *
 * Rule: a question is settled once; later events do not change its outcome.
 */

/** The call while its tool runs. If a sub-agent answers it, `session_id` is the sub-agent's session; `undoes` the call that it takes
 * back, `block` the block of a handler that makes it. */
export function startedTool({ name, args, at, session_id, undoes, block }, tool) {
  const model = tool.questions?.[0]?.args;
  const edited = model !== undefined && JSON.stringify(model) !== JSON.stringify(args);
  const more = { ...(session_id && { session_id }), ...(undoes && { undoes }), ...(block && { block }) };
  return { state: 'running', name, args, edited, started_at: at, ...more };
}

/** The call with its result; with `usage` and `cost_usd` if another agent answered it. */
export function finishedTool({ name, result, duration_ms, attempts, at, usage, cost_usd }, tool = {}) {
  const session = result.output?.session_id;
  return {
    ...{ name, result, state: endOf(result), progress: null },
    ...(at && { duration_ms, attempts, finished_at: at }),
    ...(usage && { usage, cost_usd }),
    // A snapshot contains no start event. For a sub-agent the result has its session's id, which derives from the call's id.
    ...(!at && typeof session === 'string' && session.endsWith(`~${result.call_id}`) && { session_id: session }),
    ...(tool.questions && {
      questions: settled(tool, (question) => ({ ...question, state: ended(result), settled_at: at ?? null })),
    }),
  };
}

/** The call with a new question. */
export function askingTool(event, tool) {
  return asking(tool, questionOf(event));
}

/** The call after one of its questions was answered. */
export function answeredTool(event, tool) {
  const { question_id: id, at, reason = null, by = null, value } = event;
  const isInput = event.type === 'input.received';
  const state = isInput ? repliedTo(tool.questions?.find((one) => one.question_id === id), event) : resolved(event);
  const questions = settled(tool, (question) =>
    question.question_id === id ? { ...question, state, reason, by, value, settled_at: at } : question,
  );
  return { state: isInput ? goesOn(tool, questions) : state === 'approved' ? 'allowed' : tool.state, questions };
}

/** The state in which a call with this result ended: 'done', 'failed' or 'stopped'. */
export function endOf({ is_error: failed, output }) {
  if (!failed) return 'done';
  return ['stopped', 'superseded'].includes(output?.type) ? 'stopped' : 'failed';
}

/** The turn's tools with a snapshot's questions; a question missing there was answered in the meantime. */
export function askedTools(turn, questions = []) {
  const open = new Set(questions.map((question) => question.question_id));
  const tools = Object.entries(turn.tools).map(([callId, tool]) => {
    const known = settled(tool, (one) => (open.has(one.question_id) ? one : { ...one, state: 'answered' }));
    const state = tool.result ? tool.state : tool.started_at ? 'running' : undefined;
    return [callId, tool.questions ? { ...tool, state, questions: known } : tool];
  });
  const next = Object.fromEntries(tools);
  for (const { kind, ...question } of questions) {
    const known = next[question.call_id]?.questions?.find((one) => one.question_id === question.question_id);
    const made = { ...questionOf({ ...question, type: kind }), asked_at: known?.asked_at ?? null };
    const tool = next[question.call_id] ?? {};
    next[question.call_id] = { ...tool, ...asking(tool, made) };
  }
  return next;
}

/** A question as stored in views, from the event that asked it. */
export function questionOf(event) {
  const { type, question_id, call_id, subject, form, name, args, prompt = null, output, expires_at = null, at = null, remember, roles, further_roles } = event;
  const kind = type.startsWith('approval') ? 'approval' : 'input';
  const again = kind === 'approval' && event.reason;
  return {
    ...{ question_id, call_id, kind, state: 'open', name, args, prompt, ...(output && { output }), expires_at, asked_at: at },
    ...(['rewind', 'handler'].includes(subject) && { subject }),
    ...(form && { form }),
    ...(remember && { remember }),
    ...(roles && { roles: [roles, ...(further_roles ?? [])] }),
    ...(again && { again }),
  };
}

function asking(tool, question) {
  const before = (tool.questions ?? []).filter(({ question_id: id }) => id !== question.question_id);
  const { name, args } = question;
  return { name, args: tool.args ?? args, state: 'asking', progress: null, questions: [...before, question] };
}

/** A tool's server is also notified of a refusal or an expiry: without a value, which every form has. */
function repliedTo(question, { at, value }) {
  if (!question?.output || value != null) return 'answered';
  return question.expires_at && Date.parse(at) >= Date.parse(question.expires_at) ? 'expired' : 'declined';
}

/** The call's state after an answer: a tool that asks while it runs, as an MCP server's does, continues running. */
function goesOn(tool, questions) {
  return tool.state === 'asking' && !questions.some((one) => one.state === 'open') ? 'running' : tool.state;
}

function resolved({ approved, reason }) {
  if (approved) return 'approved';
  return ['expired', 'stopped', 'superseded'].includes(reason) ? reason : 'denied';
}

/** The outcome of an open question, inferred from its call's result alone. */
function ended({ output, is_error: failed }) {
  if (!failed) return 'answered';
  return { stopped: 'stopped', expired: 'expired', superseded: 'superseded' }[output?.type] ?? 'declined';
}

const settled = (tool, change) =>
  (tool.questions ?? []).map((question) => (question.state === 'open' ? change(question) : question));
