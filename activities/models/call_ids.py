"""Ids of tool calls for servers that did not make the calls. Pure.

Rule: nine letters and digits, for Mistral takes nothing else, and OpenAI nothing longer than 40 characters.
"""

import hashlib
import string
from collections.abc import Set
from typing import Final

_ALPHABET: Final = string.digits + string.ascii_letters
_LENGTH: Final = 9


def made_id(call_id: str, used: Set[str] = frozenset()) -> str:
    """An id that every server takes for the call that is `call_id` here: the same each time, and none of `used`."""
    tries = 0
    while True:
        number = int.from_bytes(hashlib.sha256(f"{call_id} {tries}".encode()).digest())
        made = ""
        for _ in range(_LENGTH):
            number, digit = divmod(number, len(_ALPHABET))
            made += _ALPHABET[digit]
        if made not in used:
            return made
        tries += 1
