"""What a session asks of the documents that came with its agent's definition: an activity stub, as in `activities.py`."""

from pydantic import JsonValue
from temporalio import activity

from perdure.workflows.protocol.activities import ToolOutput
from perdure.workflows.vocabulary.parts import Frozen


class ReadDocumentsInput(Frozen):
    """One call of a tool that reads documents."""

    #: sha256 of the documents.
    documents: str
    tool: str
    args: dict[str, JsonValue]


@activity.defn(name="read_documents")
async def read_documents(request: ReadDocumentsInput) -> ToolOutput:
    """Lists, searches or reads documents. Fails with `unknown_document`, `invalid_arguments` or `documents_missing`."""
    raise NotImplementedError
