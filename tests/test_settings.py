"""Settings come from the environment, invalid ones are named, and a provider is ready when its key is set."""

from pathlib import Path

import pytest

from perdure.temporal.definitions.endpoints import missing_key
from perdure.temporal.redis_address import RedisAddress, redis_address
from perdure.temporal.settings import Settings, SettingsInvalid, environment
from perdure.workflows.definition.agent import ModelDefinition

KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY", "OPENAI_BASE_URL")


def test_the_environment_is_below_what_is_passed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_DATA_DIR", "/data")
    monkeypatch.setenv("PERDURE_LOG_FORMAT", "console")
    settings = Settings.load(log_format="json", log_level=None)

    assert settings == Settings(data_dir=Path("/data"), log_format="json", log_level="INFO")
    assert settings.blob_store == Path("/data/blobs")
    assert Settings.load(blob_dir=Path("/blobs")).blob_store == Path("/blobs")


def test_a_wrong_value_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_ACTIVITY_SLOTS", "sk-secret")
    monkeypatch.setenv("PERDURE_LOG_LEVEL", "loud")
    with pytest.raises(SettingsInvalid, match=r"PERDURE_LOG_LEVEL: .*; PERDURE_ACTIVITY_SLOTS: ") as caught:
        Settings.load()
    assert "sk-secret" not in str(caught.value)


def test_the_live_redis_is_an_address_whose_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_LIVE", "")
    assert Settings.load().live_address is None
    monkeypatch.setenv("PERDURE_LIVE", "rediss://ann:hunter2%2F@redis.internal/3?ssl_ca_certs=/etc/ca.pem")
    settings = Settings.load()
    address = settings.live_address
    assert address == RedisAddress(
        "redis.internal", 6379, 3, True, "ann", "hunter2/", files=(("ssl_ca_certs", "/etc/ca.pem"),)
    )
    assert str(address) == "rediss://redis.internal:6379/3"
    assert "hunter2" not in f"{settings!r} {address!r} {settings.model_dump_json()}"
    assert str(redis_address("redis://[::1]:1234")) == "redis://[::1]:1234/0"


@pytest.mark.parametrize(
    "url",
    [
        "hunter2",
        "http://:hunter2@redis",
        "redis://",
        "redis://:hunter2@redis:port",
        "redis://:hunter2@redis:6379/live",
        "redis://:hunter2@redis:6379/0/1",
        "redis://:hunter2@redis:6379?ssl_ca_certs=/etc/ca.pem",
        "rediss://:hunter2@redis:6379?ssl_cert_reqs=none",
        "redis://:hunter2@redis#2",
        "redis://:hunter2@[::1",
    ],
)
def test_what_is_no_address_of_a_redis_is_refused_unshown(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("PERDURE_LIVE", url)
    with pytest.raises(SettingsInvalid, match=r"^PERDURE_LIVE: ") as caught:
        Settings.load()
    assert "hunter2" not in str(caught.value)


def test_a_deployment_has_a_name_and_a_build_or_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_DEPLOYMENT_NAME", "shop")
    monkeypatch.setenv("PERDURE_BUILD_ID", "")
    with pytest.raises(SettingsInvalid, match=r"PERDURE_DEPLOYMENT_NAME and PERDURE_BUILD_ID: .*both or neither"):
        Settings.load()
    monkeypatch.setenv("PERDURE_BUILD_ID", "2026.11")
    settings = Settings.load()
    assert (settings.deployment_name, settings.build_id, settings.versioning) == ("shop", "2026.11", "pinned")
    monkeypatch.setenv("PERDURE_DEPLOYMENT_NAME", "my.shop")
    with pytest.raises(SettingsInvalid, match=r"^PERDURE_DEPLOYMENT_NAME: "):
        Settings.load()


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"MODELS_QUEUE": "calls", "TOOLS_QUEUE": "calls"}, "PERDURE_MODELS_QUEUE and PERDURE_TOOLS_QUEUE: give two"),
        ({"MODELS_QUEUE": "perdure"}, "PERDURE_MODELS_QUEUE: .*perdure is the task queue of sessions"),
        ({"TOOLS_QUEUE": "my tools"}, "PERDURE_TOOLS_QUEUE: "),
        ({"QUEUES": "models"}, "PERDURE_QUEUES and PERDURE_MODELS_QUEUE: .*a task queue of their own$"),
        ({"QUEUES": "model"}, "PERDURE_QUEUES: .*give sessions, models, tools"),
        ({"QUEUES": ","}, "PERDURE_QUEUES: "),
        ({"MEMORY_TARGET": "0.8"}, "PERDURE_MEMORY_TARGET and PERDURE_CPU_TARGET: set both or neither$"),
        ({"CPU_TARGET": "80"}, "PERDURE_CPU_TARGET: "),
        ({"WORKFLOW_SLOTS": "1"}, "PERDURE_WORKFLOW_SLOTS: "),
        ({"ACTIVITIES_PER_S": "0"}, "PERDURE_ACTIVITIES_PER_S: "),
    ],
)
def test_tuning_of_workers_that_cannot_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], problem: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"PERDURE_{name}", value)
    with pytest.raises(SettingsInvalid, match=f"^{problem}"):
        Settings.load()


def test_what_a_worker_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_TOOLS_QUEUE", "tools")
    monkeypatch.setenv("PERDURE_MODELS_QUEUE", "")
    monkeypatch.setenv("PERDURE_QUEUES", "sessions, tools,tools")
    settings = Settings.load()
    assert settings.queues == ("sessions", "tools")
    assert settings.own_queues == {"tools": "tools"}
    assert Settings.load(queues="tools").queues == ("tools",)


def _ready(provider: str, **fields: str) -> bool:
    return missing_key(ModelDefinition.model_validate({"use": f"{provider}/some-model", **fields})) is None


@pytest.mark.parametrize(
    ("variable", "providers"),
    [
        ("ANTHROPIC_API_KEY", ["anthropic"]),
        ("ANTHROPIC_AUTH_TOKEN", ["anthropic"]),
        ("OPENAI_API_KEY", ["openai", "openai-chat"]),
        ("OPENAI_BASE_URL", ["openai", "openai-chat"]),
    ],
)
def test_a_provider_is_ready_when_its_own_variable_is_set(
    monkeypatch: pytest.MonkeyPatch, variable: str, providers: list[str]
) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, " ")
    assert not any(_ready(name) for name in providers)
    monkeypatch.setenv(variable, "x")
    assert [name for name in ("anthropic", "openai", "openai-chat") if _ready(name)] == providers
    monkeypatch.delenv(variable)
    assert not any(_ready(name) for name in providers)


def test_a_server_of_ones_own_and_the_demo_need_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    assert _ready("demo")
    assert _ready("openai-chat", base_url="http://localhost:11434/v1")
    assert _ready("openai", base_url="http://localhost:11434/v1")


def test_the_environment_is_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    before = environment()
    monkeypatch.setenv("PERDURE_SOMETHING", "new")
    assert "PERDURE_SOMETHING" not in before
    assert environment()["PERDURE_SOMETHING"] == "new"


def test_host_names_are_listed_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, names in (
        ("", ()),
        ("agents.example.com", ("agents.example.com",)),
        (" gateway , *.internal.example.com,", ("gateway", "*.internal.example.com")),
    ):
        monkeypatch.setenv("PERDURE_ALLOWED_HOSTS", given)
        assert Settings.load().allowed_hosts == names


@pytest.mark.parametrize("given", ["*", "https://agents.example.com", "agents.example.com:443", "a.*.com", "a b", "[]"])
def test_a_host_name_is_a_name_only(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("PERDURE_ALLOWED_HOSTS", given)
    with pytest.raises(SettingsInvalid, match=r"^PERDURE_ALLOWED_HOSTS: .*without scheme and port"):
        Settings.load()
