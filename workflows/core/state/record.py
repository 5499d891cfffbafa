"""What the records of a session's state have in common.

They are dataclasses, and not pydantic models, because mypy checks the fields and types of `dataclasses.replace`.
"""

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict


class Record:
    """Base of a frozen dataclass that survives JSON and refuses unknown fields. It has no slots and no `__post_init__`."""

    __pydantic_config__: ClassVar[Any] = ConfigDict(extra="forbid")


if TYPE_CHECKING:
    from dataclasses import replace as replace
else:

    def replace(record, /, **changes):
        """As `dataclasses.replace`, but ten times as fast: a turn copies records some sixty times."""
        made = object.__new__(type(record))
        made.__dict__.update(record.__dict__)
        made.__dict__.update(changes)
        return made
