"""Bytes of JSON of records that stay the same from step to step, each written once. Pure."""

import weakref
from typing import Any

from pydantic import BaseModel

#: By the identity of the record, which is alive as long as it is in here.
_SIZES: dict[int, tuple["weakref.ref[Any]", int]] = {}


def size_of(record: BaseModel) -> int:
    """Bytes of a frozen record as JSON."""
    key = id(record)
    known = _SIZES.get(key)
    if known is not None and known[0]() is record:
        return known[1]
    size = len(record.model_dump_json().encode())
    _SIZES[key] = (weakref.ref(record, lambda _: _SIZES.pop(key, None)), size)
    return size
