"""Ids of sessions that nobody may choose: those that sub-agents' sessions get (`workflows/running/sub_agents.py`
makes them)."""

import re
from typing import Final

#: `parent~t1.s1.c1`, and of a parent with a long id its first 160 characters and a hash.
_SUB_SESSION: Final = re.compile(r".*~t[0-9]+\.s[0-9]+\.c[0-9]+|.{160}~[0-9a-f]{32}")


def free_session_id(session_id: str) -> str:
    """`session_id`, if a caller may name a new session so. Raises ValueError.

    Else a stranger's session could lie where a sub-agent's is expected.
    """
    if _SUB_SESSION.fullmatch(session_id) is not None:
        raise ValueError("has the form of a sub-agent's session's id; choose one that does not end so")
    return session_id
