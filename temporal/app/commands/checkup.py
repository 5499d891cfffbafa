"""The checks of `perdure doctor`, each a function that returns what it found and never raises for what it checks.

Rule 1: nothing is changed but a probe in the blob store (`blob_check.py`), which is taken away again.
Rule 2: a key is only ever said to be there or not, and in which variable.
Rule 3: what cannot be seen from outside is said to be so (`unknown`), not guessed.
"""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from typing import Final, Literal

from temporalio.api.enums.v1 import WorkerDeploymentVersionStatus
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeWorkerDeploymentRequest,
    GetSystemInfoRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from perdure.temporal.definitions.endpoints import missing_key
from perdure.temporal.definitions.folders import SHIPPED, Reading
from perdure.temporal.definitions.key_variables import key_variables
from perdure.temporal.definitions.packages import missing_package
from perdure.temporal.definitions.prices import price_of
from perdure.temporal.environment import environment
from perdure.temporal.server.client import attribute_type, missing_search_attributes
from perdure.temporal.server.deliveries import SCHEDULED_TENANT, deliveries
from perdure.temporal.server.schedules import ours, placed
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.providers.table import PROVIDERS
from perdure.workflows.protocol.activities import Delivery
from perdure.workflows.vocabulary.search_attributes import ALL

#: Of Temporal; the tests run on it.
OLDEST_SERVER: Final = (1, 32)

State = Literal["ok", "warning", "failed", "unknown"]

_RPC: Final = timedelta(seconds=10)
_SCHEDULE: Final = "temporal schedule"


@dataclass(frozen=True, slots=True)
class Check:
    state: State
    #: What was looked at.
    name: str
    found: str
    #: What to do; empty where nothing is to be done.
    advice: str = ""


async def server(client: Client) -> Check:
    info = await client.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=_RPC)
    target = client.service_client.config.target_host
    ours = f"Perdure {version('perdure')}, SDK {version('temporalio')}"
    found = f"{target} answers, version {info.server_version}; here: {ours}"
    numbers = tuple(int(number) for number in re.findall(r"\d+", info.server_version)[:2])
    if numbers < OLDEST_SERVER:
        oldest = ".".join(map(str, OLDEST_SERVER))
        return Check("warning", "server", found, f"Perdure is tested with {oldest} and later; update the server")
    return Check("ok", "server", found)


async def retention(client: Client, wanted_days: int) -> Check:
    request = DescribeNamespaceRequest(namespace=client.namespace)
    described = await client.workflow_service.describe_namespace(request, timeout=_RPC)
    kept = described.config.workflow_execution_retention_ttl.ToTimedelta()
    found = f"namespace {client.namespace} keeps closed runs for {kept.total_seconds() / 86400:g} days"
    if kept >= timedelta(days=wanted_days):
        return Check("ok", "retention", found)
    advice = (
        "closed sessions are gone after that: "
        f"temporal operator namespace update --retention {wanted_days}d -n {client.namespace}"
    )
    return Check("warning", "retention", found, advice)


async def search_attributes(client: Client) -> Check:
    missing = await missing_search_attributes(client)
    if not missing:
        return Check("ok", "search attributes", f"all {len(ALL)} are there, with the right types")
    lacking = ", ".join(f"{name} ({attribute_type(kind)})" for name, kind in missing.items())
    add = " ".join(f"--name {name} --type {attribute_type(kind)}" for name, kind in missing.items())
    advice = f"a worker adds them if it may; else: temporal operator search-attribute create {add}"
    return Check("failed", "search attributes", f"missing, or of another type: {lacking}", advice)


async def deployment(client: Client, name: str, build: str) -> Check:
    """Whether sessions come to this build."""
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=name)
    try:
        described = await client.workflow_service.describe_worker_deployment(request, timeout=_RPC)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return Check(
            "warning", "deployment", f"the server knows none that is named {name}", "a worker of it makes it known"
        )
    info = described.worker_deployment_info
    current = info.routing_config.current_deployment_version.build_id
    ramping = info.routing_config.ramping_deployment_version.build_id
    share = info.routing_config.ramping_version_percentage
    found = [f"{name}: this is build {build}, current is {current or 'none'}"]
    if ramping:
        found.append(f"{ramping} gets {share:g} % of sessions")
    old = [
        version.deployment_version.build_id
        for version in info.version_summaries
        if version.status == WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINING
    ]
    if old:
        found.append(f"sessions are still on {', '.join(old)}")
    if build == current or (build == ramping and share > 0):
        return Check("ok", "deployment", "; ".join(found))
    advice = (
        "no session comes to this build: "
        f"temporal worker deployment set-current-version --deployment-name {name} --build-id {build}"
    )
    return Check("warning", "deployment", "; ".join(found), advice)


async def schedules(client: Client, reading: Reading) -> AsyncIterator[Check]:
    """Those of these definitions, and those whose agent none of them is. Raises RPCError."""
    wanted = {one.schedule_id: one for one in _wanted(reading)}
    for schedule_id, delivery in wanted.items():
        there = await placed(client, schedule_id)
        if there is None:
            advice = "a worker places it within seconds"
            yield Check("failed", "schedule", f"{schedule_id} is not in place", advice)
        elif there[0] != delivery:
            yield Check("failed", "schedule", f"{schedule_id} is not what its definition says", "a worker mends it")
        elif there[1].schedule.state.paused:
            yield Check(
                "warning", "schedule", f"{schedule_id} is paused", f"{_SCHEDULE} toggle --unpause {_named(schedule_id)}"
            )
        else:
            due = there[1].info.next_action_times
            following = f", next at {due[0]:%Y-%m-%d %H:%M} UTC" if due else ""
            yield Check("ok", "schedule", f"{schedule_id} is in place{following}")
    async for schedule_id, agent in ours(client):
        if schedule_id not in wanted:
            found = f"{schedule_id} is of an agent {agent}, and no definition here has it"
            waiting = "leave it if other workers serve that agent, or did within 10 minutes"
            advice = f"{waiting}, else: {_SCHEDULE} delete {_named(schedule_id)}"
            yield Check("warning", "schedule", found, advice)


def _wanted(reading: Reading) -> Iterator[Delivery]:
    at_default = reading.tenants.get(SCHEDULED_TENANT, reading)
    for definition, _ in at_default.serving.values():
        yield from deliveries(definition)
    for tenant, own in reading.tenants.items():
        for definition, _ in own.serving.values():
            if tenant != SCHEDULED_TENANT and definition.name in reading.own(tenant):
                yield from deliveries(definition, tenant)


def _named(schedule_id: str) -> str:
    return f"--schedule-id {schedule_id}"


def server_settings() -> Check:
    """What matters of a server's dynamic configuration, which it shows to nobody."""
    advice = (
        "perdure dev sets them; on a cluster of yours set history.MaxBufferedQueryCount to 100 (its default of 1 makes "
        "viewers wait and ask again), frontend.namespaceCount to 20000 (its default of 1200 bounds the long polls of all "
        "workers and waiting clients together) and matching.enableFairness to true (without it, a tenant's backlog is worked "
        "off before what others ask for later); temporal/app/deploy/dynamicconfig.yaml has all of them"
    )
    return Check("unknown", "server settings", "cannot be seen from outside", advice)


def definitions(reading: Reading) -> Iterator[Check]:
    problems = reading.every_problem
    advice = "mend it: a process that runs goes on with its last good version, one that starts now does without it"
    for problem in problems:
        yield Check("failed", "definition", str(problem), advice)
    if not problems:
        names = reading.labelled
        yield Check("ok", "definitions", f"{len(names)} without problems: {', '.join(names)}")


def keys(reading: Reading) -> Iterator[Check]:
    """Whether each agent's models can be called from where this runs."""
    for name, (definition, file) in reading.labelled.items():
        missing = list(_missing_keys(definition))
        if not missing:
            yield Check("ok", "keys", f"{name}: there for every model{_held_in(definition)}")
            continue
        # Nobody who has agents of their own needs the shipped ones.
        state: State = "warning" if file.parent == SHIPPED else "failed"
        found = f"{name}: none for {', '.join(f'{role} ({use})' for role, use, _ in missing)}"
        variables = " and ".join(dict.fromkeys(variable for *_, variable in missing))
        yield Check(
            state, "keys", found, f"set {variables} where the workers run; perdure dev uses the demo model instead"
        )


def _held_in(definition: AgentDefinition) -> str:
    """The variables that the keys come from, which a refused call names."""
    found = (key_variables(hop.model, PROVIDERS[hop.model.provider], environment()) for hop in definition.every_model)
    names = dict.fromkeys(variable for variables in found for variable in variables or ())
    return f" ({', '.join(names)})" if names else ""


def _missing_keys(definition: AgentDefinition) -> Iterator[tuple[str, str, str]]:
    for hop in definition.every_model:
        variable = missing_key(hop.model)
        if variable is not None:
            yield hop.key, hop.model.use, variable


def packages(reading: Reading) -> Iterator[Check]:
    """What is not installed here and the models of an agent need."""
    for name, (definition, _) in reading.labelled.items():
        needed = (missing_package(PROVIDERS[hop.model.provider]) for hop in definition.every_model)
        for missing in dict.fromkeys(filter(None, needed)):
            found, _, advice = missing.partition("; ")
            yield Check("failed", "packages", f"{name}: {found}", f"{advice} where the workers run")


def prices(reading: Reading) -> Iterator[Check]:
    """A definition that caps its cost and has a model without a price is a problem of its own, and so not among these."""
    for name, (definition, _) in reading.labelled.items():
        unknown = [f"{hop.key} ({hop.model.use})" for hop in definition.every_model if price_of(hop.model) is None]
        if not unknown:
            yield Check("ok", "prices", f"{name}: known for every model")
        else:
            found = f"{name}: unknown for {', '.join(unknown)}, so its cost is, too"
            yield Check("warning", "prices", found, "give a price in the definition")


def refused(name: str, error: RPCError) -> Check:
    """A check that Temporal did not let us make."""
    return Check("failed", name, f"Temporal refused: {error.message}", "may these credentials read the namespace?")
