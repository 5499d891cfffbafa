"""What the records of a session's state have in common.

They are dataclasses, and not pydantic models, because mypy checks the fields and types of `dataclasses.replace`.
"""

from typing import Any, ClassVar

from pydantic import ConfigDict


class Record:
    """Base of a frozen dataclass that survives JSON and refuses unknown fields."""

    __pydantic_config__: ClassVar[Any] = ConfigDict(extra="forbid")
