"""What replay processes are asked and answer, and what the SDK's failures mean. Pure.

Rule: nothing here loads more than the vocabulary, for every replay process loads it.
"""

import re
from pathlib import Path
from typing import Final, Literal

from perdure.temporal.app.console.terminal import one_line
from perdure.workflows.vocabulary.parts import Frozen

_REASON_MOST: Final = 300
#: The SDK hands failures on as the text of a Rust structure. In it, quotes inside a string are escaped, so these find
#: the messages of the failure and its causes, and the names of their types.
_MESSAGE: Final = re.compile(r'\bmessage: "((?:[^"\\]|\\.)*)"')
_TYPE: Final = re.compile(r'\br#type: "(\w+)"')
_NOISE: Final = re.compile(r"^(?:\[TMPRL\d+\] )?Nondeterminism error: |\s*For further information visit \S+")

Verdict = Literal["same", "broken", "blob_missing", "unreadable", "gone", "lost"]


class Setup(Frozen):
    """What a replay process is told at its start."""

    #: Where payloads lie that are too big for a history.
    blobs: Path
    #: Whether histories come from the Temporal server.
    server: bool


class Recorded(Frozen):
    """A recorded run: on the server, or in `file`."""

    workflow_id: str
    run_id: str
    live: bool
    file: Path | None = None


class Outcome(Frozen):
    """What came of a replay.

    `same`: the code decides as it did then. `broken`: it does not. `blob_missing` and `unreadable`: there is nothing to
    replay. `gone`: erased or past its retention meanwhile. `lost`: the replay process did not survive it.
    """

    verdict: Verdict
    #: One line; empty for `same`.
    reason: str = ""
    #: As the history itself names them, where it does.
    workflow_id: str = ""
    run_id: str = ""


def verdict(failure: Exception | None) -> Outcome:
    """What a replay that ended with `failure` shows."""
    if failure is None:
        return Outcome(verdict="same")
    text = str(failure)
    types = _TYPE.findall(text)
    # The outermost type: the name of the exception's class, or empty for what the SDK itself found.
    kind = types[0] if types else ""
    messages = [_NOISE.sub("", _unescaped(message)) for message in _MESSAGE.findall(text)]
    reason = line(": ".join(filter(None, messages)) or text)
    if "BlobMissing" in types:
        return Outcome(verdict="blob_missing", reason=line(f"blob missing: {reason}"))
    return Outcome(verdict="broken", reason=line(f"{kind}: {reason}" if kind else reason))


def line(text: str) -> str:
    """`text` as a reason."""
    return one_line(text, _REASON_MOST)


def _unescaped(text: str) -> str:
    return text.replace("\\n", " ").replace('\\"', '"').replace("\\'", "'").replace("\\\\", "\\")
