"""`perdure budgets`: what its commands take. What they do is in `commands.budgets`."""

from typing import Annotated, Literal

import typer

from perdure.temporal.app.cli.options import ApiKeyFile, DataDir, Url

app = typer.Typer(help="List, show and set what users and tenants may spend.", no_args_is_help=True)

Scope = Annotated[Literal["user", "tenant"], typer.Argument(help="Whose budget: user or tenant.")]
Owner = Annotated[str, typer.Argument(help="The user, or the tenant; sessions without a user count as local.")]


@app.command("list")
def list_them(
    limit: Annotated[int, typer.Option(min=1, max=200, help="Show at most this many.")] = 50,
    url: Url = None,
    data_dir: DataDir = None,
    api_key_file: ApiKeyFile = None,
) -> None:
    """List all budgets, the newest first."""
    from perdure.temporal.app.commands import budgets
    from perdure.temporal.app.console.gateway import gateway_address

    budgets.list_budgets(limit, gateway_address(url, data_dir, api_key_file))


@app.command()
def show(
    scope: Scope, owner: Owner, url: Url = None, data_dir: DataDir = None, api_key_file: ApiKeyFile = None
) -> None:
    """Show the caps of a user or a tenant, what was spent, and what is leased to sessions."""
    from perdure.temporal.app.commands import budgets
    from perdure.temporal.app.console.gateway import gateway_address

    budgets.show(scope, owner, gateway_address(url, data_dir, api_key_file))


@app.command("set")
def set_caps(
    scope: Scope,
    owner: Owner,
    caps: Annotated[
        list[str], typer.Argument(metavar="LIMIT=CAP...", help="As day.cost_usd=10, month.tokens=none or total=none.")
    ],
    url: Url = None,
    data_dir: DataDir = None,
    api_key_file: ApiKeyFile = None,
) -> None:
    """Set caps of a user or a tenant. none lifts a cap; what is left out stays as it is."""
    from perdure.temporal.app.commands import budgets
    from perdure.temporal.app.console.gateway import gateway_address

    budgets.set_caps(scope, owner, caps, gateway_address(url, data_dir, api_key_file))
