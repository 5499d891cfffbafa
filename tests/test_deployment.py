"""A deployment's files are true: their names, numbers and commands are those of the code, and all that they name is there."""

import asyncio
import json
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any, Final

import httpx2
import obstore
import pytest
import typer
import yaml
from compose_spec import PyCompose

from perdure.gateway.http.hosts import Host, KnownHosts
from perdure.temporal.app.cli import app
from perdure.temporal.app.dev_server.program import _DYNAMIC, temporal_binary
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.processes.serving import GATEWAY_STOP_S
from perdure.temporal.blob_address import Bucket, blob_address
from perdure.temporal.secret_files import secrets_of_files
from perdure.temporal.settings import Settings
from perdure.workflows.vocabulary.search_attributes import ALL
from tests.support.deployment import COMPOSE, DEPLOY, compose, manifest, manifests, seconds
from tests.support.ports import free_ports
from tests.support.proxy import caddy
from tests.support.s3 import KEY_ID, SECRET, s3_server

SERVICES: Final[dict[str, Any]] = compose()["services"]
#: They end by themselves, and others wait for that.
ONCE: Final = {"schema", "setup", "keys", "folders"}
OURS: Final = {"worker-1", "worker-2", "gateway-1", "gateway-2", "keys"}
#: Variables of the files themselves, and not of Perdure.
OF_THE_FILES: Final = {"PERDURE_PROJECT", "PERDURE_SITE"}


def test_compose_is_whole() -> None:
    PyCompose.from_yaml(yaml.safe_dump(compose())).validate()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    # It writes its configuration where it lies.
    assert service["read_only"] is (name != "temporal-ui")
    # Of others, neither `latest` nor a branch such as `17`.
    assert re.fullmatch(r"perdure:0\.1\.0|[\w/-]+:v?\d+\.\d+(\.\d+)?(-alpine)?", service["image"])
    assert re.search(r":v?\d+\.\d+\.\d+|^(postgres|chrislusf/seaweedfs):\d+\.\d+", service["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_runs_says_whether_it_is_well(name: str) -> None:
    service = SERVICES[name]
    assert ("test" in service["healthcheck"]) is (name not in ONCE)
    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    for other, needed in (service.get("depends_on") or {}).items():
        ends = "service_completed_successfully" if other in ONCE else "service_healthy"
        assert needed == {"condition": ends}


def test_nothing_is_published_but_what_people_open_and_that_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "proxy": ["127.0.0.1:8000:8000", "127.0.0.1:8080:8080", "127.0.0.1:8081:8081"],
        "grafana": ["127.0.0.1:3000:3000"],
    }
    inside = compose()["networks"]
    assert inside.pop("outside") == {}
    assert inside == {name: {"internal": True} for name in ("store", "objects", "inside")}
    assert {name for name, service in SERVICES.items() if "objects" in service["networks"]} == {
        "blobs",
        "folders",
        *OURS - {"keys"},
    }
    assert {name for name, service in SERVICES.items() if "store" in service["networks"]} == {
        "postgres",
        "schema",
        "temporal",
    }


def test_every_setting_that_is_named_exists() -> None:
    files = [
        COMPOSE,
        *(file for file in DEPLOY.rglob("*") if file.suffix in (".yaml", ".sh") or file.name == "Dockerfile"),
    ]
    named = {name for file in files for name in re.findall(r"\bPERDURE_[A-Z_]+\b", file.read_text(encoding="utf-8"))}
    known = {f"PERDURE_{name.upper()}" for name in Settings.model_fields}
    secret = {name for name in known if secrets_of_files({f"{name}_FILE": os.devnull, name: ""}) == {}}
    assert "PERDURE_LIVE" in secret
    assert named - OF_THE_FILES <= known | {"PERDURE_LIVE_FILE"}


def test_every_command_that_is_run_exists() -> None:
    lines = [SERVICES[name].get("command", []) for name in sorted(OURS - {"keys"})]
    lines += [["keys", *SERVICES["keys"]["command"], "--file", "keys.json"]]
    lines += [
        manifest("Deployment", f"perdure-{name}")["spec"]["template"]["spec"]["containers"][0]["args"]
        for name in ("worker", "gateway")
    ]
    assert len(lines) == 7
    for words in lines:
        command: Any = typer.main.get_command(app)
        context = command.make_context("perdure", list(words))
        while isinstance(command, typer.core.TyperGroup):
            name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            context = command.make_context(name, rest, parent=context)


def test_every_file_that_is_mounted_is_there() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
            if source.startswith("./"):
                assert (COMPOSE.parent / source).exists(), source
            else:
                assert source in compose()["volumes"]


def test_secrets_are_made_once_and_closed_to_others(tmp_path: Path) -> None:
    def run() -> dict[str, str]:
        subprocess.run(["/bin/sh", str(DEPLOY / "secrets.sh")], cwd=tmp_path, check=True)
        return {str(file.relative_to(tmp_path)): file.read_text() for file in (tmp_path / ".secrets").iterdir()}

    made = run()
    assert set(made) == {secret["file"] for secret in compose()["secrets"].values()}
    assert made[".secrets/perdure_live"] == f"redis://:{made['.secrets/redis_password']}@redis:6379/0"
    assert re.fullmatch(r"[0-9a-f]{48}", made[".secrets/postgres_password"])
    assert made[".secrets/postgres_password"] != made[".secrets/redis_password"]
    assert made[".secrets/openai_api_key"] == ""
    assert stat.S_IMODE((tmp_path / ".secrets").stat().st_mode) == 0o700
    # People write keys of providers into them; who runs in a container reads the one that is mounted.
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / ".secrets").iterdir()} == {0o644}
    assert run() == made


def test_a_process_gets_its_secrets_from_the_files_that_are_mounted_for_it() -> None:
    for name, service in SERVICES.items():
        files = {
            value.removeprefix("/run/secrets/")
            for key, value in service.get("environment", {}).items()
            if key.endswith("_FILE") and value.startswith("/run/secrets/")
        }
        assert files <= set(service.get("secrets", [])), name
    worker, gateway = SERVICES["worker-1"], SERVICES["gateway-1"]
    assert gateway["secrets"] == ["perdure_live", "blobs_key_id", "blobs_key"]
    assert set(worker["secrets"]) > set(gateway["secrets"])


def test_the_server_is_set_up_as_the_embedded_one() -> None:
    written = yaml.safe_load((DEPLOY / "dynamicconfig.yaml").read_text(encoding="utf-8"))
    values = {name: one["value"] for name, (one,) in written.items()}
    assert values.pop("frontend.httpAllowedHosts") == ["perdure.invalid"]
    assert values == {name: yaml.safe_load(str(value)) for name, value in _DYNAMIC.items()}


def test_the_set_up_makes_the_search_attributes_of_the_code() -> None:
    text = (DEPLOY / "setup.sh").read_text(encoding="utf-8")
    made = re.findall(r"--name (\w+) --type (\w+)", text)
    assert made == [(key.name, key.indexed_value_type.name.title()) for key in ALL]
    days = Settings.model_fields["retention_days"].default
    assert f"PERDURE_RETENTION_DAYS:={days}" in text
    assert SERVICES["setup"]["environment"]["PERDURE_RETENTION_DAYS"] == str(days)


@pytest.mark.server
async def test_the_set_up_can_be_run_again(temporal_server: DevServer, tmp_path: Path) -> None:
    from temporalio.client import Client

    from perdure.temporal.app.commands import checkup

    (tmp_path / "temporal").symlink_to(temporal_binary())
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TEMPORAL_ADDRESS": temporal_server.address,
        "TEMPORAL_NAMESPACE": "set-up",
        "PERDURE_RETENTION_DAYS": "31",
    }
    for _ in range(2):
        process = await asyncio.create_subprocess_exec("/bin/sh", str(DEPLOY / "setup.sh"), env=environment)
        assert await process.wait() == 0
    client = await Client.connect(temporal_server.address, namespace="set-up")
    assert (await checkup.search_attributes(client)).state == "ok"
    assert (await checkup.retention(client, 31)).found == "namespace set-up keeps closed runs for 31 days"


@pytest.mark.server
async def test_the_object_store_lets_in_the_one_key_makes_the_bucket_and_says_whether_it_is_well(
    tmp_path: Path,
) -> None:
    address = blob_address(SERVICES["worker-1"]["environment"]["PERDURE_BLOBS"])
    assert isinstance(address, Bucket)
    (tmp_path / "blobs_key_id").write_text(KEY_ID)
    (tmp_path / "blobs_key").write_text(SECRET)
    async with s3_server(tmp_path / "data", secrets=tmp_path) as server:

        async def is_well(filer: str = server.filer) -> bool:
            process = await asyncio.create_subprocess_exec(
                *("/bin/sh", str(DEPLOY / "blobs-health.sh")),
                env={**os.environ, "S3": server.endpoint, "FILER": filer},
            )
            return await process.wait() == 0

        # The first writes what the second finds.
        assert [await is_well(), await is_well()] == [True, True]
        store = server.client(address.name)
        await obstore.put_async(store, f"{address.prefix}/a", b"held")
        assert await server.keys(address.name) == [f"{address.prefix}/a"]
        async with httpx2.AsyncClient(base_url=server.endpoint) as http:
            assert (await http.get(f"/{address.name}/{address.prefix}/a")).status_code == 403
        # Its S3 API says that all is well where nothing is behind it any more.
        assert not await is_well(f"http://127.0.0.1:{free_ports(1)[0]}")
        await server.kill()
        assert not await is_well()


def test_settings_come_from_one_file_that_may_be_missing() -> None:
    for name in sorted(OURS):
        assert SERVICES[name]["env_file"] == [{"path": ".env", "required": False}]
    assert ".env" in (COMPOSE.parent / ".gitignore").read_text(encoding="utf-8").split()


def test_a_site_of_the_outside_is_served_over_tls_and_the_rest_as_before(tmp_path: Path) -> None:
    def ports(**site: str) -> set[str]:
        adapted = subprocess.run(
            [caddy(), "adapt", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile")],
            env={"HOME": str(tmp_path), **site},
            capture_output=True,
            check=True,
        )
        servers = json.loads(adapted.stdout)["apps"]["http"]["servers"]
        assert not any("disable" in server.get("automatic_https", {}) for server in servers.values())
        return {port for server in servers.values() for port in server["listen"]}

    published = {port.rpartition(":")[2] for port in SERVICES["proxy"]["ports"]}
    assert ports() == ports(**SERVICES["proxy"]["environment"]) == {f":{port}" for port in published}
    assert ports(SITE="agents.example.com") == {":443", ":8080", ":8081"}
    (certificates,) = [one for one in SERVICES["proxy"]["volumes"] if isinstance(one, dict)]
    assert (certificates["source"], certificates["target"]) == ("certificates", "/data")
    # Where it looks at itself is there with and without a site.
    assert re.findall(r":\d+", SERVICES["proxy"]["healthcheck"]["test"][-1]) == [":8081"]


def test_who_stops_waits_longer_than_a_worker_needs() -> None:
    for name in sorted(OURS - {"keys"}):
        grace = float(SERVICES[name]["environment"]["PERDURE_GRACEFUL_SHUTDOWN_S"])
        assert seconds(SERVICES[name]["stop_grace_period"]) >= grace + 10
    grace = float(manifest("ConfigMap", "perdure")["data"]["PERDURE_GRACEFUL_SHUTDOWN_S"])
    worker = manifest("Deployment", "perdure-worker")["spec"]["template"]["spec"]
    assert worker["terminationGracePeriodSeconds"] >= grace + 10


def test_a_gateway_serves_for_longer_than_a_proxy_takes_to_notice_that_it_stops() -> None:
    caddy = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    (asked,) = re.findall(r"health_uri (\S+)", caddy)
    interval, timeout = (float(re.findall(rf"health_{name} (\d+)s", caddy)[0]) for name in ("interval", "timeout"))
    environment = SERVICES["gateway-1"]["environment"]
    assert float(environment["PERDURE_DRAIN_S"]) > interval + timeout
    pod = manifest("Deployment", "perdure-gateway")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (drain,) = (float(one["value"]) for one in container["env"] if one["name"] == "PERDURE_DRAIN_S")
    assert drain > 0 and drain + GATEWAY_STOP_S < pod["terminationGracePeriodSeconds"]
    assert {asked, container["readinessProbe"]["httpGet"]["path"]} == {"/healthz/traffic"}
    # Whoever restarts what does not live leaves alone what drains.
    assert {container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe")} == {"/healthz"}


def test_the_proxy_and_prometheus_know_every_process() -> None:
    caddy = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    # It is refused by the name that the proxy has for it.
    (host,) = re.findall(r"health_headers \{\s+Host (\S+)\s+\}", caddy)
    assert Host(host) in KnownHosts() and Host("gateway-1", 8000) not in KnownHosts()
    assert re.findall(r"[\w-]+:\d+", caddy.split("reverse_proxy ")[1].split("{")[0]) == [
        "gateway-1:8000",
        "gateway-2:8000",
    ]
    scraped = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    targets = {target for job in scraped for one in job["static_configs"] for target in one["targets"]}
    assert targets == {*(f"{name}:9464" for name in OURS - {"keys"}), "temporal:9090"}
    image = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert "PERDURE_METRICS_ADDRESS=0.0.0.0:9464" in image
    assert SERVICES["temporal"]["environment"]["PROMETHEUS_ENDPOINT"] == "0.0.0.0:9090"


@pytest.mark.parametrize("script", sorted(DEPLOY.glob("*.sh")), ids=lambda script: script.name)
def test_a_script_is_in_the_language_of_every_shell(script: Path) -> None:
    assert script.read_text(encoding="utf-8").startswith("#!/bin/sh\n")
    subprocess.run(["/bin/sh", "-n", str(script)], check=True)


def test_manifests_are_of_the_names_that_they_mention() -> None:
    there = {(one["kind"], one["metadata"]["name"]) for one in manifests()}
    # Made by the guide's commands, for applying manifests must not change them.
    assert not any(kind == "Secret" for kind, _ in there)
    guide = (COMPOSE.parent / "gateway" / "guide" / "deployment.md").read_text(encoding="utf-8")
    there |= {("Secret", name) for name in re.findall(r"^kubectl create secret generic (\S+)", guide, re.MULTILINE)}
    for kind, name in sorted(there):
        if kind != "Deployment":
            continue
        pod = manifest(kind, name)["spec"]["template"]
        for volume in pod["spec"]["volumes"]:
            if "secret" in volume:
                assert ("Secret", volume["secret"]["secretName"]) in there
        mounted = {one["name"] for one in pod["spec"]["containers"][0]["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]}
    shared = manifest("ConfigMap", "perdure")["data"]
    files = {value.removeprefix("/secrets/") for name, value in shared.items() if name.endswith("_FILE")}
    assert files == set(re.findall(r"--from-literal=([\w-]+)=", guide))
