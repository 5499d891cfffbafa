"""What a session shows of itself in Temporal's visibility store, so that sessions can be listed and found.

Workflow code sets these, the gateway and the command line search by them, and `perdure.temporal.server.client` makes
them known to a server.
"""

from typing import Any, Final

from temporalio.common import SearchAttributeKey

AGENT: Final = SearchAttributeKey.for_keyword("PerdureAgent")
#: A `SessionStatus`.
STATUS: Final = SearchAttributeKey.for_keyword("PerdureStatus")
TENANT: Final = SearchAttributeKey.for_keyword("PerdureTenant")
USER: Final = SearchAttributeKey.for_keyword("PerdureUser")
#: Of the definition that the session ran last (sha256, hex). Sessions in their first turn have none, nor have those without a
#: turn since workers write it.
DIGEST: Final = SearchAttributeKey.for_keyword("PerdureDigest")
#: Dollars spent so far.
COST: Final = SearchAttributeKey.for_float("PerdureCost")
#: When the session's status last changed. Sessions without a turn since workers write it have none.
ACTIVE: Final = SearchAttributeKey.for_datetime("PerdureActive")
#: How its last turn ended, a `TurnEnd`. As above.
ENDED: Final = SearchAttributeKey.for_keyword("PerdureEnded")

ALL: Final[tuple[SearchAttributeKey[Any], ...]] = (AGENT, STATUS, TENANT, USER, DIGEST, COST, ACTIVE, ENDED)
