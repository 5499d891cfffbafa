"""The commands `chat` and `trace`: what they take."""

from typing import Annotated

import typer

from perdure.temporal.app.cli.options import ApiKeyFile, DataDir, Session, Tenant, Url, flag


def chat(
    session: Annotated[str | None, typer.Argument(help="Take up this session; without it, a new one begins.")] = None,
    agent: Annotated[str, typer.Option(help="The agent of a new session.")] = "assistant",
    url: Url = None,
    data_dir: DataDir = None,
    api_key_file: ApiKeyFile = None,
) -> None:
    """Talk to an agent. Ctrl-C stops an answer, and leaves at the prompt."""
    from perdure.temporal.app.commands import chat as commands
    from perdure.temporal.app.console.gateway import gateway_address

    commands.chat(session, agent, gateway_address(url, data_dir, api_key_file))


def trace(
    session: Session,
    last: Annotated[int | None, typer.Option(min=1, help="Only this many of the last turns.")] = None,
    prompt: Annotated[bool, flag("--prompt", "Show the exact prompt of each step.")] = False,
    as_json: Annotated[bool, flag("--json", "Print what the gateway's trace route answers.")] = False,
    tenant: Tenant = "default",
    data_dir: DataDir = None,
) -> None:
    """Show every step of a session: model, time, tokens, cost, and what its tools did."""
    from perdure.temporal.app.commands import traces

    traces.trace(session, last, prompt, as_json, tenant, data_dir)
