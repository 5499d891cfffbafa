"""How deep JSON may be nested that a session keeps.

Rule: what a session cannot read back it must never be given. JSON nested some 190 deep can be written and not be read, and
a session that cannot read what an activity returned tries for ever; so tools, models and servers are held to less.
"""

from typing import Final

DEEPEST: Final = 100


def too_deep(value: object) -> bool:
    """Whether lists and objects of `value`, plain JSON, are nested more than `DEEPEST` levels deep."""
    level = [value] if isinstance(value, dict | list | tuple) else []
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list | tuple)
        ]
        if not level:
            return False
    return True
