"""What the schedules of definitions deliver, and into whose sessions.

Rule: a tenant's own agents write to that tenant's sessions. Those that all share write to the tenant `default` alone, as
long as it has none of that name of its own.
"""

from typing import Final

from perdure.temporal.definitions.store import Definitions, Known
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.protocol.activities import Delivery

#: The tenant that needs no credentials.
SCHEDULED_TENANT: Final = "default"


def deliveries(definition: AgentDefinition, tenant: str = SCHEDULED_TENANT) -> tuple[Delivery, ...]:
    """One delivery per schedule. Further schedules for the same session get a number appended to their id."""
    sessions = [schedule.session for schedule in definition.schedules]
    found = []
    for index, schedule in enumerate(definition.schedules):
        before = sessions[:index].count(schedule.session)
        number = f"/{before + 1}" if before else ""
        schedule_id = f"{tenant}/perdure/{definition.name}/{schedule.session}{number}"
        found.append(Delivery(schedule_id=schedule_id, tenant=tenant, agent=definition.name, schedule=schedule))
    return tuple(found)


def delivers(known: Known, tenant: str) -> tuple[Delivery, ...]:
    """What an agent that serves for `tenant` delivers to this tenant's sessions."""
    return deliveries(known.definition, tenant) if known.own or tenant == SCHEDULED_TENANT else ()


def owner_of(delivery: Delivery) -> str:
    """The agent's name, which for an agent of another tenant than `default` begins with that."""
    return _owner(delivery.tenant, delivery.agent)


def scheduling(definitions: Definitions) -> dict[str, tuple[Known, tuple[Delivery, ...]]]:
    """Each agent that may deliver, named as `owner_of` does: its definition, and what it delivers."""
    found = {}
    for tenant in dict.fromkeys([SCHEDULED_TENANT, *definitions.tenants]):
        for name in definitions.names(tenant):
            known = definitions.current(name, tenant)
            if known is not None and (known.own or tenant == SCHEDULED_TENANT):
                found[_owner(tenant, name)] = known, delivers(known, tenant)
    return found


def _owner(tenant: str, name: str) -> str:
    return name if tenant == SCHEDULED_TENANT else f"{tenant}/{name}"
