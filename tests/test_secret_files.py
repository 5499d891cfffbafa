"""Secrets from mounted files, in place of variables."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from perdure.temporal.app.cli import app
from perdure.temporal.secret_files import SecretFileInvalid, secrets_of_files
from perdure.temporal.settings import Settings


def written(folder: Path, name: str, text: str) -> str:
    file = folder / name
    file.write_text(text)
    return str(file)


def test_a_secret_is_read_without_the_line_feed_of_an_editor(tmp_path: Path) -> None:
    variables = {
        "OPENAI_API_KEY_FILE": written(tmp_path, "openai", "sk-1\n"),
        "AWS_SECRET_ACCESS_KEY_FILE": written(tmp_path, "aws", "abc"),
        "AWS_ACCESS_KEY_ID_FILE": written(tmp_path, "id", "perdure"),
        "SHOP_PASSWORD_FILE": written(tmp_path, "shop", " two words \n"),
        "PERDURE_LIVE_FILE": written(tmp_path, "live", "redis://:secret@redis:6379/0\n"),
    }
    assert secrets_of_files(variables) == {
        "OPENAI_API_KEY": "sk-1",
        "AWS_SECRET_ACCESS_KEY": "abc",
        "AWS_ACCESS_KEY_ID": "perdure",
        "SHOP_PASSWORD": "two words",
        "PERDURE_LIVE": "redis://:secret@redis:6379/0",
    }


def test_what_is_no_secret_or_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    there = written(tmp_path, "there", "x")
    variables = dict.fromkeys(
        ("PERDURE_KEYS_FILE", "SSL_CERT_FILE", "TEMPORAL_CONFIG_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "TLS_KEY_FILE"),
        there,
    )
    assert secrets_of_files(variables) == {}


def test_an_empty_file_and_an_empty_name_count_as_not_set(tmp_path: Path) -> None:
    variables = {"OPENAI_API_KEY_FILE": written(tmp_path, "openai", "\n"), "GEMINI_API_KEY_FILE": ""}
    assert secrets_of_files(variables) == {}


def test_variable_and_file_together_are_refused(tmp_path: Path) -> None:
    file = written(tmp_path, "openai", "sk-from-the-file")
    with pytest.raises(SecretFileInvalid) as refused:
        secrets_of_files({"OPENAI_API_KEY": "sk-from-the-variable", "OPENAI_API_KEY_FILE": file})
    assert str(refused.value) == "OPENAI_API_KEY and OPENAI_API_KEY_FILE are both set: leave one of them out"


def test_what_a_process_hands_to_those_that_it_starts_is_no_contradiction(tmp_path: Path) -> None:
    given = {"OPENAI_API_KEY_FILE": written(tmp_path, "openai", "sk-from-the-file")}
    found = secrets_of_files(given)
    assert secrets_of_files(given | found) == found == {"OPENAI_API_KEY": "sk-from-the-file"}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for name, why in (("none", "cannot be read: No such file or directory"), ("bytes", "is no text")):
        with pytest.raises(SecretFileInvalid) as refused:
            secrets_of_files({"OPENAI_API_KEY_FILE": f"{tmp_path}/{name}"})
        assert str(refused.value) == f"OPENAI_API_KEY_FILE: {tmp_path}/{name} {why}"


def test_a_command_reads_them_before_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Set first, so that the environment is afterwards as it was.
    monkeypatch.setenv("PERDURE_LIVE", "")
    monkeypatch.setenv("PERDURE_LIVE_FILE", written(tmp_path, "live", "redis://:secret@127.0.0.1:6379/3\n"))
    result = CliRunner().invoke(app, ["tools", "list"])
    assert result.exit_code == 0, result.output
    address = Settings.load().live_address
    assert address is not None
    assert "/3" in str(address)
    assert "secret" not in str(address)
