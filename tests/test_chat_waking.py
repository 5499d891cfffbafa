"""Ctrl-C at the prompt of `perdure chat`, pressed at any moment."""

import asyncio
import signal
import sys

from tests.support.session_client import PATIENCE_S

ASKS = """
from perdure.temporal.app.chat.waking import Waking

with Waking(lambda: None).hears_ctrl_c():
    try:
        input("ready")
    except KeyboardInterrupt:
        print(", heard")
"""


async def test_no_ctrl_c_is_lost_between_a_prompt_and_the_wait_for_a_line() -> None:
    # Half of such signals come before a program waits for its first line, so some of twenty programs are hit.
    for _ in range(20):
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ASKS, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert program.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE_S):
                assert await program.stdout.readexactly(5) == b"ready"
                program.send_signal(signal.SIGINT)
                assert await program.stdout.read() == b", heard\n"
                assert await program.wait() == 0
        finally:
            if program.returncode is None:
                program.kill()
                await program.wait()
