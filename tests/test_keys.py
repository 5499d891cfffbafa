"""API keys: made and revoked on the command line, checked by a gateway, kept as a hash in a file of their owner's."""

import asyncio
import json
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from starlette.requests import HTTPConnection
from typer.testing import CliRunner, Result

from perdure.gateway.auth.api_keys import ApiKeys, new_key
from perdure.gateway.auth.authentication import Authentication, authentication
from perdure.gateway.auth.key_file import KeyFile, KeyFileInvalid, Keys, changed_keys, read_keys
from perdure.gateway.http.problems import Problem
from perdure.temporal.app.cli import app
from perdure.temporal.app.console.gateway import gateway_address
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.processes.assembly import make_app
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.scopes import EVERYTHING, OF_A_USER
from perdure.temporal.settings import Settings
from tests.support.serving import serve
from tests.support.session_lab import lab_on

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def perdure(file: Path, *arguments: str) -> str:
    """What `perdure keys …` prints on stdout. Raises what it raises."""
    result = CliRunner().invoke(app, ["keys", *arguments], env={"PERDURE_KEYS_FILE": str(file), "COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def contents(file: Path) -> str:
    return file.read_text()


def write(file: Path, text: str) -> None:
    file.write_text(text)


def without_marks(file: Path) -> None:
    keys = read_keys(file)
    bare = tuple(key.model_copy(update={"mark": ""}) for key in keys.keys)
    write(file, keys.model_copy(update={"keys": bare}).model_dump_json(indent=1) + "\n")


def modes(file: Path) -> tuple[int, int]:
    """Of its folder and of itself."""
    folder, own = (stat.S_IMODE(path.stat().st_mode) for path in (file.parent, file))
    return folder, own


class Clock:
    def __init__(self) -> None:
        self.monotonic = 0.0
        self.wall = NOW

    def tick(self) -> float:
        return self.monotonic


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secrets" / "keys.json"


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


async def test_a_key_is_shown_once_and_kept_as_a_hash(file: Path, umask: None) -> None:
    text = perdure(file, "create", "--tenant", "ac_me", "--note", "the shop")
    assert text.startswith("pk_ac_me_")
    kept = contents(file)
    assert text not in kept and text.rsplit("_")[-1] not in kept
    assert json.loads(kept)["keys"][0]["hash"].startswith("$argon2id$")
    assert modes(file) == (0o700, 0o600)
    principal = await ApiKeys(KeyFile(file)).principal(text)
    assert principal == Principal("ac_me", None, EVERYTHING, actor=f"key:{text.split('_')[-2]}", method="key")
    shown = perdure(file, "list")
    assert "ac_me" in shown and "the shop" in shown and "everything" in shown and text not in shown


async def test_a_users_key_and_one_with_scopes_of_choice(file: Path) -> None:
    ann = perdure(file, "create", "--user", "ann@example.com", "--expires", "90d")
    clerk = perdure(file, "create", "--scope", "session:approve:any", "--scope", "finance")
    keys = ApiKeys(KeyFile(file))
    found = await keys.principal(ann)
    assert found is not None
    assert (found.tenant, found.user, found.subject, found.scopes) == (
        "default",
        "ann@example.com",
        "ann@example.com",
        OF_A_USER,
    )
    by = await keys.principal(clerk)
    assert by is not None and (by.by.subject, by.by.scopes) == (by.actor, ("session:approve:any", "finance"))


async def test_wrong_keys_are_nobodys(file: Path) -> None:
    text = perdure(file, "create")
    other = perdure(file, "create", "--tenant", "other")
    keys = ApiKeys(KeyFile(file))
    assert await keys.principal(text) is not None
    swapped = f"{text.rpartition('_')[0]}_{other.rpartition('_')[2]}"
    elsewhere = text.replace("pk_default", "pk_other")
    for wrong in (text[:-1], f"{text}0", swapped, elsewhere, "pk_", "pk___", "pk_" + "a" * 500, "", text.upper()):
        assert await keys.principal(wrong) is None, wrong
    assert await keys.principal(text) is not None


async def test_whoever_knows_a_key_s_id_shuts_its_owner_out_of_no_fresh_gateway(file: Path) -> None:
    text = perdure(file, "create")
    keys = ApiKeys(KeyFile(file))
    guesses = [asyncio.create_task(keys.principal(f"{text[:-3]}{number:03x}")) for number in range(200)]
    guesses = [one for number, one in enumerate(guesses) if f"{text[:-3]}{number:03x}" != text]
    # They have come first, and none of them waits for anything.
    await asyncio.sleep(0)
    assert {one.result() for one in guesses} == {None}
    assert await keys.principal(text) is not None


async def test_a_key_of_a_file_without_marks_still_fits(file: Path) -> None:
    text = perdure(file, "create")
    without_marks(file)
    keys = ApiKeys(KeyFile(file))
    assert await keys.principal(text) is not None
    assert await keys.principal(f"{text[:-1]}x") is None
    before = contents(file)
    with changed_keys(file) as replace:
        replace(read_keys(file))
    assert contents(file) == before


async def test_guesses_wait_for_each_other_and_not_without_end(file: Path) -> None:
    text = perdure(file, "create")
    without_marks(file)
    keys = ApiKeys(KeyFile(file))
    assert await keys.principal(text) is not None
    guesses = asyncio.gather(
        *(keys.principal(f"{text[:-2]}{number:02x}x") for number in range(80)), return_exceptions=True
    )
    await asyncio.sleep(0)
    # Whoever is known does not wait behind them.
    assert await keys.principal(text) is not None
    assert not guesses.done()
    found = await guesses
    refused = [one for one in found if isinstance(one, Problem)]
    assert {one.code for one in refused} == {"too_many"}
    assert len(refused) == 76 and found.count(None) == 4


async def test_whoever_guesses_a_key_shuts_out_nobody_who_has_another(file: Path) -> None:
    text, other = perdure(file, "create"), perdure(file, "create")
    without_marks(file)
    keys = ApiKeys(KeyFile(file))
    guesses = asyncio.gather(*(keys.principal(f"{text}{number}") for number in range(80)), return_exceptions=True)
    await asyncio.sleep(0)
    assert await keys.principal(other) is not None
    await guesses


async def test_however_many_come_with_a_key_at_once_none_is_told_to_come_again(file: Path) -> None:
    text = perdure(file, "create")
    keys = ApiKeys(KeyFile(file))
    found = await asyncio.gather(*(keys.principal(text) for _ in range(200)))
    assert [one.tenant for one in found if one is not None] == ["default"] * 200


async def test_a_revoked_key_ends_within_a_second_also_where_it_was_known(file: Path) -> None:
    text, stays = perdure(file, "create"), perdure(file, "create")
    clock = Clock()
    keys = ApiKeys(KeyFile(file, clock.tick))
    assert await keys.principal(text) and await keys.principal(stays)
    assert "revoked" in perdure(file, "revoke", text.split("_")[-2])
    clock.monotonic = 1.0
    assert await keys.principal(text) is None
    assert await keys.principal(stays) is not None
    with pytest.raises(Refused, match="there is no key"):
        perdure(file, "revoke", text.split("_")[-2])


async def test_a_key_expires_also_where_it_was_known(file: Path) -> None:
    made = new_key("default", None, EVERYTHING, NOW, NOW + timedelta(hours=1), "")
    with changed_keys(file) as replace:
        replace(Keys(keys=(made.kept,)))
    clock = Clock()
    keys = ApiKeys(KeyFile(file), lambda: clock.wall)
    assert await keys.principal(made.text) is not None
    clock.wall = NOW + timedelta(hours=1)
    assert await keys.principal(made.text) is None


async def test_a_file_that_breaks_changes_nothing_and_one_that_comes_back_counts(file: Path) -> None:
    text = perdure(file, "create")
    clock = Clock()
    keys = ApiKeys(KeyFile(file, clock.tick))
    whole = contents(file)
    write(file, whole[:40])
    clock.monotonic = 1.0
    assert await keys.principal(text) is not None
    write(file, whole)
    later = perdure(file, "create")
    clock.monotonic = 2.0
    assert await keys.principal(later) is not None


def test_what_cannot_be_made_is_refused_and_leaves_no_file(file: Path) -> None:
    for wrong in (
        ("--tenant", "definitions"),
        ("--tenant", "a/b"),
        ("--user", "local"),
        ("--user", "a\nb"),
        ("--scope", "session:raed"),
        ("--expires", "soon"),
    ):
        with pytest.raises(Refused):
            perdure(file, "create", *wrong)
    assert not file.exists()
    for command in (("list",), ("revoke", "0" * 12)):
        with pytest.raises(KeyFileInvalid, match="no file of keys"):
            perdure(file, *command)


def test_a_broken_file_is_named_without_what_it_holds(file: Path) -> None:
    file.parent.mkdir()
    file.write_text('{"keys": [{"hash": "$argon2id$secret"}]}')
    with pytest.raises(KeyFileInvalid) as refused:
        read_keys(file)
    assert str(file) in str(refused.value) and "argon2id" not in str(refused.value)


async def test_many_writers_lose_no_key(file: Path) -> None:
    made = await asyncio.gather(*(asyncio.to_thread(perdure_create, file) for _ in range(6)))
    assert {text.split("_")[-2] for text in made} == {key.id for key in read_keys(file).keys}


def perdure_create(file: Path) -> str:
    made = new_key("default", None, EVERYTHING, NOW, None, "")
    with changed_keys(file) as replace:
        before = read_keys(file) if file.exists() else Keys()
        replace(before.model_copy(update={"keys": (*before.keys, made.kept)}))
    return made.text


async def test_a_gateway_asks_who_calls(file: Path) -> None:
    text = perdure(file, "create", "--tenant", "acme")
    asks = authentication(Settings.load(keys_file=file))
    assert asks is not None and (await who(asks, f"Bearer {text}")).tenant == "acme"
    for header in (None, "", "Bearer", f"Basic {text}", f"Bearer {text}x", text, "Bearer pk_acme_0_0"):
        answer = await refusal(asks, header)
        assert (answer.status_code, answer.json()["code"], answer.headers["www-authenticate"]) == (
            401,
            "unauthenticated",
            "Bearer",
        )
        assert text not in answer.text
    assert authentication(Settings.load()) is None


@pytest.mark.server
async def test_commands_say_who_calls(file: Path, temporal_server: DevServer, tmp_path: Path) -> None:
    text = perdure(file, "create", "--tenant", "spends-nothing")
    # Before the gateway looks at the file, which it does once a second.
    (poor := tmp_path / "poor").write_text(perdure(file, "create", "--scope", "session:read"))
    asks = authentication(Settings.load(keys_file=file))
    assert asks is not None
    async with lab_on(temporal_server, tmp_path / "lab") as lab:
        gateway = make_app(lab.client, lab.live, lab.parts, host="localhost", temporal_ui=None, asks=asks)
        async with serve(gateway) as port:
            address = f"http://127.0.0.1:{port}"
            told = await asyncio.to_thread(budgets, address, text)
            assert told.exit_code == 0 and "no budgets yet" in told.stdout
            (held := tmp_path / "held").write_text(f"{text}\n")
            by_file = await asyncio.to_thread(budgets, address, "", "--api-key-file", str(held))
            assert by_file.exit_code == 0 and "no budgets yet" in by_file.stdout
            lists = await asyncio.to_thread(run, "sessions", "list", "--url", address, "--api-key-file", str(held))
            assert lists.exit_code == 0 and "no sessions" in lists.stdout
            for key in ("", f"{text}0"):
                refused = await asyncio.to_thread(budgets, address, key)
                said = str(refused.exception)
                assert isinstance(refused.exception, Refused) and "PERDURE_API_KEY" in said and "--api-key-file" in said
                assert ("was revoked" in said) is bool(key) and not (key and key in said), said
            # What a key may not, and what there is not for it, in one line.
            for words, begins in {
                ("chat", "--agent", "plain"): "This needs the scope session:create. The API key does not have it",
                ("sessions", "limit", "x", "--steps", "3"): "There is no such session. Or it is not for this API key",
            }.items():
                refused = await asyncio.to_thread(run, *words, "--url", address, "--api-key-file", str(poor))
                said = str(refused.exception)
                assert isinstance(refused.exception, Refused) and said.startswith(begins) and "\n" not in said, said


@pytest.mark.parametrize("held", [None, "", " \n", "pk_a_b\nc", "pk_a_ü", "pk a"])
def test_what_holds_no_key_is_said_without_being_shown(tmp_path: Path, held: str | None) -> None:
    if held is not None:
        (tmp_path / "key").write_text(held)
    with pytest.raises(Refused) as refused:
        gateway_address("http://127.0.0.1:1", None, tmp_path / "key")
    assert str(tmp_path / "key") in str(refused.value)
    assert not (held and held.strip()) or held.strip() not in str(refused.value)


def budgets(address: str, key: str, *more: str) -> Result:
    return CliRunner().invoke(app, ["budgets", "list", "--url", address, *more], env={"PERDURE_API_KEY": key})


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"PERDURE_API_KEY": ""})


async def who(asks: Authentication, header: str | None) -> Principal:
    headers = [] if header is None else [(b"authorization", header.encode())]
    return await asks(HTTPConnection({"type": "http", "path": "/v1/sessions", "headers": headers, "query_string": b""}))


async def refusal(asks: Authentication, header: str | None) -> httpx2.Response:
    with pytest.raises(Problem) as refused:
        await who(asks, header)
    answer = refused.value.response()
    return httpx2.Response(answer.status_code, headers=dict(answer.headers), content=bytes(answer.body))
