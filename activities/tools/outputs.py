"""A call's result on its way through Temporal: whether it can be written, how big it is, and where its files go.

Rule: what is refused here is final, for the tool ran.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue
from pydantic_core import PydanticSerializationError, from_json
from temporalio.exceptions import ApplicationError

from perdure.activities.encoding.raw_bytes import whole_text, whole_texts
from perdure.temporal.schemas.nesting import DEEPEST, too_deep
from perdure.temporal.stores.blobs import BlobStore
from perdure.temporal.stores.files import put_file
from perdure.workflows.protocol.activities import ToolOutput
from perdure.workflows.vocabulary.errors import INVALID_RESULT, RESULT_TOO_LARGE
from perdure.workflows.vocabulary.folding import preview
from perdure.workflows.vocabulary.parts import INLINE_LIMIT, ToolResult

#: Bytes of JSON that a result may have, and bytes of its files.
MAX_RESULT: Final = 16 * 1024 * 1024


def sized_result(call_id: str, name: str, output: JsonValue, *, is_error: bool = False) -> tuple[ToolResult, bool]:
    """A result, and whether it is too big to travel as it is. Takes seconds for many megabytes.

    Raises ApplicationError `invalid_result`, `result_too_large`.
    """
    if too_deep(output):
        message = f"{name} ran, but its result is nested more than {DEEPEST} levels deep."
        raise ApplicationError(message, type=INVALID_RESULT, non_retryable=True)
    result = ToolResult(call_id=call_id, name=name, output=output, is_error=is_error)
    try:
        try:
            data = result.model_dump_json().encode()
        except PydanticSerializationError:
            result = result.model_copy(update={"output": whole_texts(output)})
            data = result.model_dump_json().encode()
    except PydanticSerializationError as error:
        message = f"{name} ran, but its result cannot be written as JSON: {whole_text(str(error))}"
        raise ApplicationError(preview(message), type=INVALID_RESULT, non_retryable=True) from None
    size = len(data)
    if size > MAX_RESULT:
        message = f"{name} ran, but its result has {size} bytes of JSON; at most {MAX_RESULT} are allowed."
        raise ApplicationError(message, type=RESULT_TOO_LARGE, non_retryable=True)
    try:
        # Numbers of thousands of digits can be written, but not read, and a session would try for ever.
        from_json(data)
    except ValueError as error:
        message = f"{name} ran, but its result cannot be read back: {error}."
        raise ApplicationError(message, type=INVALID_RESULT, non_retryable=True) from None
    return result, size > INLINE_LIMIT


async def keep_files(blobs: BlobStore, workflow_id: str, name: str, files: Mapping[str, tuple[bytes, str]]) -> None:
    """Puts a result's files, bytes and media type by sha256, into the blob store.

    Raises ApplicationError `result_too_large`.
    """
    size = sum(len(data) for data, _ in files.values())
    if size > MAX_RESULT:
        message = f"{name} ran, but its result has files of {size} bytes; at most {MAX_RESULT} are allowed."
        raise ApplicationError(message, type=RESULT_TOO_LARGE, non_retryable=True)
    for sha256, (data, media_type) in files.items():
        await put_file(blobs, workflow_id, sha256, data, media_type)


def output_of(part: object, attempt: int | None) -> ToolOutput:
    """A tool result, folded or not, as an activity returns it."""
    assert isinstance(part, ToolResult)
    return ToolOutput(output=part.output, blob=part.blob, attempt=attempt, is_error=part.is_error)
