"""What a server writes in the middle of a stream that fails. Pure."""

from perdure.temporal.app.fakes.bedrock import exception_message
from perdure.temporal.app.fakes.dialect import FakeDialect
from perdure.temporal.app.fakes.refusals import Refusal
from perdure.temporal.app.fakes.replies import Fault, data_line, error_event
from perdure.temporal.app.fakes.responses import failure_event

_OVERLOADED = Refusal(message="Overloaded", status=503, about="server", code="UNAVAILABLE")


def last_words(fault: Fault, dialect: FakeDialect) -> bytes:
    """Empty: the server says nothing."""
    if fault == "malformed":
        return b'event: content_block_delta\ndata: {"type": "content_block_de\n\n'
    if fault not in ("error_event", "failed"):
        return b""
    if dialect.bedrock:
        return exception_message("serviceUnavailableException", _OVERLOADED.message)
    if dialect.api == "responses":
        return failure_event(fault)
    return data_line(dialect.error(_OVERLOADED)) if dialect.api == "gemini" else error_event(dialect.api)
