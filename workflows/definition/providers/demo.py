"""The demo model, which ships with Perdure and runs in the worker."""

from typing import Final

from perdure.workflows.definition.providers.dialect import Dialect, FilesDialect
from perdure.workflows.definition.providers.info import ProviderInfo

DEMO: Final = ProviderInfo(
    name="demo",
    display_name="The demo model",
    wire="demo.wire",
    free=True,
    trace_name="demo",
    # It tells what came, and in which size; nothing leaves the worker.
    dialect=Dialect(
        files=FilesDialect(
            images=frozenset(("image/png", "image/jpeg", "image/gif", "image/webp")),
            documents=frozenset(("application/pdf",)),
            audio=frozenset(("audio/wav", "audio/mpeg")),
            in_results=True,
        )
    ),
)
