"""What a worker can take, by the task queues that it polls.

The queue of sessions takes everything: what was sent there before model calls or tools got a queue of their own is still
carried out, and where they have none, it is the only one.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field

from perdure.workflows.protocol.activities import TASK_QUEUE

Serves = Literal["sessions", "models", "tools"]


def _not_that_of_sessions(given: Any) -> Any:
    if given == TASK_QUEUE:
        raise ValueError(
            f"{TASK_QUEUE} is the task queue of sessions; leave this unset to use it, or give another name"
        )
    return given


def _listed(given: Any) -> Any:
    """Accepts comma-separated text, as in an environment variable, or a sequence."""
    words = [word.strip() for word in given.split(",") if word.strip()] if isinstance(given, str) else given
    if isinstance(given, str) and not set(words) <= set(get_args(Serves)):
        raise ValueError(f"give {', '.join(get_args(Serves))}, or some of them with commas between")
    return tuple(dict.fromkeys(words))


#: Temporal takes names of up to 1,000 bytes; one with spaces or control characters is a mistake.
QueueName = Annotated[str, Field(pattern=r"^[!-~]{1,200}$"), BeforeValidator(_not_that_of_sessions)]
Queues = Annotated[tuple[Serves, ...], Field(min_length=1), BeforeValidator(_listed)]
