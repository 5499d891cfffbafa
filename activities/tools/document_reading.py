"""The activity `read_documents`: calls of the tools that read the documents of a definition.

Rule: what is read is named by its sha256, so it is the same on every worker, for as long as a session needs it.
"""

import asyncio
from collections import OrderedDict
from typing import Final

from pydantic import ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from perdure.activities.shipped.document_tools import BadArguments, DocumentTools, UnknownDocument
from perdure.activities.tools.outputs import output_of, sized_result
from perdure.activities.tools.tool import whole_arguments
from perdure.temporal.definitions.library import Library, library_key
from perdure.temporal.stores.blobs import BlobMissing, BlobStore, fold_part
from perdure.workflows.protocol.activities import ToolOutput
from perdure.workflows.protocol.document_activities import ReadDocumentsInput
from perdure.workflows.vocabulary.errors import DOCUMENTS_MISSING, INVALID_ARGUMENTS, UNKNOWN_DOCUMENT

#: Libraries kept in memory, the last ones used.
_KEPT: Final = 8


class DocumentReading:
    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._libraries: OrderedDict[str, DocumentTools] = OrderedDict()

    @activity.defn(name="read_documents")
    async def read_documents(self, request: ReadDocumentsInput) -> ToolOutput:
        """Raises ApplicationError `unknown_document`, `invalid_arguments`, `documents_missing`."""
        args = await whole_arguments(self._blobs, request.args)
        tools = await self._library(request.documents)
        try:
            output = await asyncio.to_thread(tools.carry_out, request.tool, args)
        except UnknownDocument as error:
            raise ApplicationError(str(error), type=UNKNOWN_DOCUMENT, non_retryable=True) from None
        except BadArguments as error:
            raise ApplicationError(str(error), type=INVALID_ARGUMENTS, non_retryable=True) from None
        info = activity.info()
        result, big = sized_result(info.activity_id, request.tool, output)
        return output_of(await fold_part(self._blobs, info.workflow_id or "", result) if big else result, info.attempt)

    async def _library(self, sha256: str) -> DocumentTools:
        found = self._libraries.get(sha256)
        if found is None:
            try:
                data = await self._blobs.get(library_key(sha256))
                library = await asyncio.to_thread(Library.model_validate_json, data)
            except BlobMissing:
                raise ApplicationError(
                    "The documents of this agent are not in the blob store of this worker.", type=DOCUMENTS_MISSING
                ) from None
            except ValidationError:
                # Written by another version of Perdure.
                raise ApplicationError(
                    "This worker cannot read the documents of this agent.", type=DOCUMENTS_MISSING
                ) from None
            found = DocumentTools(library)
        self._libraries[sha256] = found
        self._libraries.move_to_end(sha256)
        while len(self._libraries) > _KEPT:
            self._libraries.popitem(last=False)
        return found
