"""The image, the dashboard and the manifests of a deployment: what linters, schemas and exporters say of them."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, cast

import kubernetes_validate
import pytest
import yaml
from temporalio.common import MetricMeter

from perdure.temporal.app.dev_server.program import temporal_binary
from perdure.temporal.telemetry.metrics import Metrics
from perdure.workflows.protocol.activities import TASK_QUEUE
from tests.support.deployment import DEPLOY, ROOT, manifest, manifests

DOCKERFILE: Final = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
DASHBOARD: Final[dict[str, Any]] = json.loads((DEPLOY / "grafana" / "dashboards" / "perdure.json").read_text())
EXPRESSIONS: Final = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]

#: Words of PromQL that are followed by a bracket, or stand between labels.
_WORDS: Final = re.compile(r"\b(histogram_quantile|sum|min|rate|increase|by|le)\b")
_NAME: Final = re.compile(r"[a-z][a-z_]{4,}")
_LABELS: Final = re.compile(r"\{[^}]*\}|by \([^)]*\)")


def test_the_dockerfile_passes_its_linter() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    said = subprocess.run([hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (0, "")


def test_the_image_is_built_on_one_pinned_base_from_what_is_there() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 2
    assert set(bases) == {"python:3.11.15-slim-bookworm"}
    copied = [
        one for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE) for one in line.split()[:-1]
    ]
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied) == let_in
    assert all((ROOT / one).exists() for one in copied)


def test_the_image_runs_as_nobody_and_hears_signals() -> None:
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    assert 'ENTRYPOINT ["tini", "--", "perdure"]' in DOCKERFILE
    assert re.search(r"^HEALTHCHECK ", DOCKERFILE, re.MULTILINE)


def names(expression: str) -> set[str]:
    """The metrics of an expression."""
    bare = _WORDS.sub(" ", _LABELS.sub(" ", expression.replace("[$__rate_interval]", "")))
    return set(_NAME.findall(bare))


class Named:
    """A meter that keeps the names of what is made on it."""

    def __init__(self) -> None:
        self.made: set[str] = set()

    def create_counter(self, name: str, _about: str) -> None:
        self.made.add(name)

    create_gauge = create_counter

    def create_histogram_float(self, name: str, _about: str) -> None:
        self.made.update(name + part for part in ("_bucket", "_sum", "_count"))


@pytest.fixture(scope="module")
def exported() -> dict[str, bytes | set[str]]:
    """By the beginning of their names: ours, and the programs in which the others' names stand."""
    meter = Named()
    Metrics(cast(MetricMeter, meter))
    bridge = importlib.util.find_spec("temporalio.bridge.temporal_sdk_bridge")
    assert bridge is not None
    assert bridge.origin is not None
    return {
        "perdure_": meter.made,
        "temporal_": Path(bridge.origin).read_bytes(),
        "": temporal_binary().read_bytes(),
    }


def test_every_metric_of_the_dashboard_is_exported(exported: dict[str, bytes | set[str]]) -> None:
    shown = set().union(*map(names, EXPRESSIONS))
    assert len(shown) > 20
    for name in sorted(shown):
        prefix = next(one for one in exported if name.startswith(one))
        where = exported[prefix]
        if isinstance(where, set):
            assert name in where
        else:
            # The exporter adds the unit and what a histogram consists of.
            bare = re.sub(r"(_seconds)?(_bucket|_sum|_count)?$", "", name.removeprefix(prefix))
            plain = name if name == "approximate_backlog_count" else bare
            assert plain.encode() in where, name


def test_a_panel_has_a_place_of_its_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_grafana_finds_its_source_and_its_dashboard() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["uid"]}
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "perdure.yml").read_text())["providers"]
    assert provider["options"]["path"] == "/etc/perdure/dashboards"


#: KEDA publishes the schemas of its objects in no registry; the last test looks at ours.
OF_KUBERNETES: Final = [one for one in manifests() if not one["apiVersion"].startswith("keda.sh/")]


@pytest.mark.parametrize("named", OF_KUBERNETES, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_a_manifest_keeps_to_the_published_schema(named: dict[str, Any]) -> None:
    kubernetes_validate.validate(named, "1.34", strict=True)


def test_workers_are_scaled_by_the_queue_that_they_poll() -> None:
    scaled = manifest("ScaledObject", "perdure-worker")["spec"]
    shared = manifest("ConfigMap", "perdure")["data"]
    assert scaled["scaleTargetRef"]["name"] == manifest("Deployment", "perdure-worker")["metadata"]["name"]
    queues = [trigger["metadata"] for trigger in scaled["triggers"] if trigger["type"] == "temporal"]
    assert [queue["queueTypes"] for queue in queues] == ["workflow", "activity"]
    for queue in queues:
        assert queue["taskQueue"] == TASK_QUEUE
        assert (queue["endpoint"], queue["namespace"]) == (shared["TEMPORAL_ADDRESS"], shared["TEMPORAL_NAMESPACE"])
