"""What `perdure doctor` says of the limits of users and tenants."""

from typing import Final

from perdure.temporal.app.commands.checkup import Check
from perdure.temporal.sessions.limits.bucket import Rate
from perdure.temporal.sessions.limits.caps import Caps
from perdure.temporal.sessions.limits.shared import SharedAway
from perdure.temporal.settings import Settings

_NAME: Final = "limits"


async def limits(settings: Settings) -> Check:
    caps = Caps.of(settings)
    if not caps.any_shared:
        advice = "where users are strangers to each other, set PERDURE_REQUESTS_PER_TENANT and its siblings"
        return Check("unknown", _NAME, "none of users and tenants is set", advice)
    kinds = (
        ("requests", caps.requests),
        ("streams", caps.streams if caps.shares_streams else ()),
        ("turns", caps.turns),
    )
    found = f"of {' and '.join(name for name, given in kinds if given)}"
    address = settings.live_address
    if address is None and caps.turns:
        return Check(
            "failed",
            _NAME,
            f"{found}, and PERDURE_LIVE is not set",
            "limits of turns need a Redis, except in perdure dev",
        )
    if address is None:
        return Check(
            "warning", _NAME, f"{found}; each gateway counts for itself", "set PERDURE_LIVE for several gateways"
        )
    # Imported here, because its client takes longer to import than all that needs none of it.
    from perdure.temporal.sessions.limits.redis_limits import redis_limits

    async with redis_limits(address, "~doctor", gateway=False) as shared:
        try:
            await shared.take([("tenant", "doctor", Rate(1000, 1))])
            await shared.enter("streams", [("doctor", 1000)], "doctor")
            shared.leave("streams", ["doctor"], "doctor")
            await shared.renew()
        except SharedAway:
            advice = (
                "each gateway counts for itself, and turns are not limited; the guide names the rights that are needed"
            )
            return Check("failed", _NAME, f"{found}; {address} does not keep them", advice)
    return Check("ok", _NAME, f"{found}; {address} keeps them")
