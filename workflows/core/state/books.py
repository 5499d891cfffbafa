"""What a session, or a turn of it, has used and spent."""

from dataclasses import dataclass, field

from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.vocabulary.parts import Usage


@dataclass(frozen=True, kw_only=True)
class Books(Record):
    usage: Usage = field(default_factory=Usage)
    #: Dollars that are known to be spent.
    known_usd: float = 0.0
    #: A price was unknown, so more was spent than is known.
    incomplete: bool = False
    #: Dollars set aside for sub-agents that run, by call id.
    set_aside: dict[str, float] = field(default_factory=dict)

    @property
    def cost_usd(self) -> float | None:
        """Dollars; None once a price was unknown."""
        return None if self.incomplete else self.known_usd

    def spent(self, usage: Usage, cost_usd: float | None) -> "Books":
        return replace(
            self,
            usage=self.usage + usage,
            known_usd=self.known_usd + (cost_usd or 0),
            incomplete=self.incomplete or cost_usd is None,
        )

    def reserved(self, call_id: str, usd: float) -> "Books":
        return replace(self, set_aside={**self.set_aside, call_id: usd})

    def released(self, call_id: str) -> "Books":
        if call_id not in self.set_aside:
            return self
        return replace(self, set_aside={one: usd for one, usd in self.set_aside.items() if one != call_id})
