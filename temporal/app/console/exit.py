"""The one way out of every process that used the Temporal SDK.

Its Rust threads still touch Python while the interpreter shuts down, which aborts about one process of ten with a
meaningless exit code. All work is done by then, so what is left is to flush and go.
"""

import contextlib
import logging
import os
import sys
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """Ends this process with exit code `code`, after everything written has reached its file.

    Nothing after it runs: no `finally`, no `atexit`. Call it as the last act of a program, after `asyncio.run`.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        # The reader may be gone (`perdure sessions list | head`); there is no one left to tell.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)
