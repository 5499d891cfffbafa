"""The messages to and from replay processes, and the meaning of the SDK's failures. Pure.

Rule: this module imports only the vocabulary, because every replay process loads it.
"""

import re
from pathlib import Path
from typing import Final, Literal

from perdure.temporal.app.console.terminal import one_line
from perdure.workflows.vocabulary.parts import Frozen

_REASON_MOST: Final = 300
#: The SDK passes failures on as the debug text of a Rust structure, in which quotes inside strings are escaped. These
#: patterns find the messages of the failure and its causes, and the names of their types.
_MESSAGE: Final = re.compile(r'\bmessage: "((?:[^"\\]|\\.)*)"')
_TYPE: Final = re.compile(r'\br#type: "(\w+)"')
_NOISE: Final = re.compile(r"^(?:\[TMPRL\d+\] )?Nondeterminism error: |\s*For further information visit \S+")

Verdict = Literal["same", "broken", "blob_missing", "unreadable", "gone", "lost"]


class Setup(Frozen):
    """What a replay process needs at its start."""

    #: Where payloads are stored that are too large for a history: what `perdure.temporal.blob_address` reads.
    blobs: str
    #: Whether histories come from the Temporal server.
    server: bool
    #: The data directory of the `perdure dev` whose server that is, unless the environment names one.
    data_dir: Path | None = None


class Recorded(Frozen):
    """A recorded run: on the server, or in `file`."""

    workflow_id: str
    run_id: str
    live: bool
    file: Path | None = None


class Outcome(Frozen):
    """The result of a replay.

    `same`: the code makes the same decisions. `broken`: it does not. `blob_missing` and `unreadable`: there is nothing
    to replay. `gone`: erased or past its retention in the meantime. `lost`: the replay process did not survive it.
    """

    verdict: Verdict
    #: One line; empty for `same`.
    reason: str = ""
    #: As given in the history itself, if it is.
    workflow_id: str = ""
    run_id: str = ""


def verdict(failure: Exception | None) -> Outcome:
    """The outcome of a replay that ended with `failure`."""
    if failure is None:
        return Outcome(verdict="same")
    text = str(failure)
    types = _TYPE.findall(text)
    # The outermost type: the exception's class name, or empty for what the SDK itself found.
    kind = types[0] if types else ""
    messages = [_NOISE.sub("", _unescaped(message)) for message in _MESSAGE.findall(text)]
    reason = line(": ".join(filter(None, messages)) or text)
    if "BlobMissing" in types:
        return Outcome(verdict="blob_missing", reason=line(f"blob missing: {reason}"))
    return Outcome(verdict="broken", reason=line(f"{kind}: {reason}" if kind else reason))


def line(text: str) -> str:
    """`text` as a one-line reason."""
    return one_line(text, _REASON_MOST)


def _unescaped(text: str) -> str:
    return text.replace("\\n", " ").replace('\\"', '"').replace("\\'", "'").replace("\\\\", "\\")
