"""Error types as constants: what `ApplicationError.type`, a turn's `error.type` and a tool result's `output.type` say.

`temporal`, `activities` and `gateway` compare these and never a message.
"""

from typing import Final

# A model call. `activities/models/failures.py` maps a provider's failures to these.
MODEL_RATE_LIMITED: Final = "model_rate_limited"
MODEL_OVERLOADED: Final = "model_overloaded"
MODEL_SERVER_ERROR: Final = "model_server_error"
MODEL_CONNECTION: Final = "model_connection"
MODEL_TIMEOUT: Final = "model_timeout"
MODEL_STREAM_TRUNCATED: Final = "model_stream_truncated"
MODEL_CONTEXT_LENGTH: Final = "model_context_length"
MODEL_CONTENT_POLICY: Final = "model_content_policy"
MODEL_QUOTA: Final = "model_quota"
MODEL_AUTH: Final = "model_auth"
MODEL_NOT_FOUND: Final = "model_not_found"
MODEL_REQUEST_TOO_LARGE: Final = "model_request_too_large"
MODEL_INVALID_REQUEST: Final = "model_invalid_request"
MODEL_NO_KEY: Final = "model_no_key"
MODEL_UNEXPECTED: Final = "model_unexpected"
#: It has failed again and again, so it is not asked for a while.
MODEL_UNAVAILABLE: Final = "model_unavailable"
#: The model gave its answer up before its end.
MODEL_ABORTED: Final = "model_aborted"

# How an answer ended: of a turn, and of the calls of such an answer, none of which runs.
ANSWER_CUT: Final = "answer_cut"
ANSWER_REFUSED: Final = "answer_refused"
ANSWER_FILTERED: Final = "answer_filtered"
ANSWER_PAUSED: Final = "answer_paused"
#: Neither a text nor a call, also when asked once more.
EMPTY_ANSWER: Final = "empty_answer"
#: A text that repeated itself without end.
ANSWER_REPEATED: Final = "answer_repeated"
#: Not of the form that the definition asks for (`answer:`), or not what a handler's block asks for, also when it was asked
#: for twice more.
ANSWER_INVALID: Final = "answer_invalid"
#: The provider gave a reason that nothing is known of.
STOP_UNKNOWN: Final = "stop_unknown"

# A tool call.
INVALID_ARGUMENTS: Final = "invalid_arguments"
UNKNOWN_TOOL: Final = "unknown_tool"
TOOL_TIMEOUT: Final = "timeout"
TOOL_STOPPED: Final = "stopped"
TOOL_FAILED: Final = "tool_failed"
#: The process that ran it, one of its own, ended in the middle of it.
TOOL_CRASHED: Final = "tool_crashed"
#: Nobody allowed the call.
DENIED: Final = "denied"
#: A question that nobody answered in time.
EXPIRED: Final = "expired"
#: The call may have taken effect, or not; it is not repeated.
OUTCOME_UNKNOWN: Final = "outcome_unknown"
#: No worker took the call, so it never ran.
NO_WORKER: Final = "no_worker"
#: The tool is another one than was allowed, so it did not run.
TOOL_CHANGED: Final = "tool_changed"
#: The session lacks what the tool, or its MCP server, has to be told of it, so the call never ran.
CONTEXT_UNFIT: Final = "context_unfit"
#: What the tool returned is not what its output schema says.
INVALID_RESULT: Final = "invalid_result"
RESULT_TOO_LARGE: Final = "result_too_large"
#: What Temporal's SDKs call it where a worker that is not ours cannot send what its tool returned.
PAYLOADS_TOO_LARGE: Final = "PayloadsTooLarge"
#: The step asked for more calls than the limit allows.
TOO_MANY_CALLS: Final = "too_many_calls"
#: The same call had the same result so often that it does not run again.
REPEATED_CALL: Final = "repeated_call"
UNKNOWN_TIMER: Final = "unknown_timer"
#: The agent has no such reference, skill or file of a skill.
UNKNOWN_DOCUMENT: Final = "unknown_document"
#: The worker's blob store lacks the documents of the definition.
DOCUMENTS_MISSING: Final = "documents_missing"
#: A sub-agent did not come to an answer.
AGENT_FAILED: Final = "agent_failed"
#: Sub-agents call sub-agents only so far.
TOO_DEEP: Final = "too_deep"
#: Another agent takes the session over already.
HANDOFF_REFUSED: Final = "handoff_refused"
#: An MCP server could not be reached, so the call never ran.
MCP_UNAVAILABLE: Final = "mcp_unavailable"
#: The connection to an MCP server broke during the call.
MCP_LOST: Final = "mcp_lost"
#: The server wants an answer from a person in a way that cannot be given.
INPUT_NOT_SUPPORTED: Final = "input_not_supported"
#: The server of one call asked again and again.
TOO_MANY_QUESTIONS: Final = "too_many_questions"

# A turn.
BUDGET_EXCEEDED: Final = "budget_exceeded"
PRICE_UNKNOWN: Final = "price_unknown"
#: Models and tools have worked for as long as one turn may.
WORKING_TIME: Final = "working_time"
MAX_STEPS: Final = "max_steps"
AGENT_UNAVAILABLE: Final = "agent_unavailable"
INSTRUCTIONS_INVALID: Final = "instructions_invalid"
#: A block of a handler cannot be carried out: its template fails, or gives what the block cannot use.
HANDLER_INVALID: Final = "handler_invalid"
#: Calls of a handler could not be taken back: the message names those that failed to be.
COMPENSATION_FAILED: Final = "compensation_failed"
#: A handler went through more blocks than one may.
HANDLER_TOO_LONG: Final = "handler_too_long"

# Between an activity and its session.
#: An activity was called by something that is no session.
NOT_A_SESSION: Final = "not_a_session"
#: A call asks for what the published definition does not give.
NOT_PUBLISHED: Final = "not_published"
UNKNOWN_STEP: Final = "unknown_step"
#: A part of a session's past was to be sealed that is not what the session holds.
PART_CHANGED: Final = "part_changed"
#: A part of a session's past is missing from the blob store, or damaged.
STATE_LOST: Final = "state_lost"
#: A dead worker's attempt, failed at the next start so that it is tried again at once.
WORKER_DIED: Final = "worker_died"
#: An attempt that was given up before it could begin; nobody waits for what it says.
STALE_ATTEMPT: Final = "stale_attempt"

# A purse.
#: A request to it makes no sense.
INVALID_REQUEST: Final = "invalid_request"
#: It failed at what a session asked of it, so the session's turn cannot go on.
PURSE_FAILED: Final = "purse_failed"

# A scheduled message.
#: The session that it is for is another agent's.
SESSION_TAKEN: Final = "session_taken"
#: The session keeps to a definition that has no such handler.
NO_HANDLER: Final = "no_handler"
#: Its inputs are not what the agent takes now.
INPUTS_INVALID: Final = "inputs_invalid"
#: All sessions of its name are closed.
SESSIONS_CLOSED: Final = "sessions_closed"
