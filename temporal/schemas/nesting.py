"""The limit on how deeply JSON in a session may be nested.

Rule: a session must never get a value that it cannot read back. JSON nested about 190 levels deep can be written but
not read, and a session that cannot read an activity's result retries forever. So tools, models and servers are held to
a lower limit.
"""

from typing import Final

DEEPEST: Final = 100


def too_deep(value: object) -> bool:
    """Whether the lists and objects in `value`, plain JSON, are nested more than `DEEPEST` levels deep."""
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
