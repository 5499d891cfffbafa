"""Which limits a process keeps, as its settings have them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self, TypeVar

from perdure.temporal.sessions.limits.bucket import Rate, Scope
from perdure.temporal.settings import Settings

T = TypeVar("T")

#: Event streams of one caller at one gateway where no setting says how many.
STREAMS: Final = 4000


@dataclass(frozen=True, slots=True)
class Caps:
    """What is absent has no limit."""

    requests: Mapping[Scope, Rate] = field(default_factory=dict)
    streams: Mapping[Scope, int] = field(default_factory=dict)
    turns: Mapping[Scope, int] = field(default_factory=dict)
    #: Streams are counted over all gateways.
    shares_streams: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Self:
        rates: dict[Scope, float | None] = {
            "user": settings.requests_per_principal,
            "tenant": settings.requests_per_tenant,
        }
        streams: dict[Scope, int | None] = {
            "user": settings.streams_per_principal,
            "tenant": settings.streams_per_tenant,
        }
        return cls(
            {scope: Rate(rate, settings.requests_burst_s) for scope, rate in _given(rates).items()},
            {"user": STREAMS, **_given(streams)},
            _given({"user": settings.turns_per_user, "tenant": settings.turns_per_tenant}),
            shares_streams=bool(_given(streams)),
        )

    @property
    def any_shared(self) -> bool:
        """There is a limit that several processes have to count together."""
        return bool(self.requests or self.turns or self.shares_streams)


def _given(limits: Mapping[Scope, T | None]) -> dict[Scope, T]:
    return {scope: limit for scope, limit in limits.items() if limit is not None}
