"""The commands that read the contracts: `routes`, `evidence`, `contract`, `lint`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import click

from swapmock.mock_server.cli.output import UsageError


@click.command()
def routes() -> None:
    """List every operation: method, path, id, evidence."""
    from swapmock.contracts import load
    from swapmock.mock_server.web.build import registrations

    for name in (*registrations(), "admin"):
        for operation in load(name).operations.values():
            level = operation.evidence.get("level", "-")
            click.echo(f"{operation.method:<6} {operation.path:<46} {operation.id:<26} {level}")


@click.command()
@click.option("--provider", help="Only this provider.")
@click.option("--level", type=click.Choice(["documented", "observed", "inferred", "invented"]), help="Only this level.")
def evidence(provider: str | None, level: str | None) -> None:
    """List every behaviour with its source and how far it can be trusted."""
    from swapmock.contracts import load
    from swapmock.contracts.evidence import behaviours
    from swapmock.mock_server.web.build import registrations

    known = registrations()
    if provider is not None and provider not in known:
        raise UsageError(f"no provider named {provider!r}; known: {', '.join(sorted(known))}")
    for name in known if provider is None else [provider]:
        for row in behaviours(load(name)):
            if level in (None, row["level"]):
                click.echo(f"{name:<8} {row['level']:<10} {row['kind']:<10} {row['name']:<44} {row['source']}")


@click.command()
@click.argument("name")
@click.option(
    "--format",
    "form",
    type=click.Choice(["yaml", "json"]),
    default="yaml",
    show_default=True,
    help="Format of the output.",
)
def contract(name: str, form: str) -> None:
    """Print the OpenAPI document of a provider, or of the admin API (`admin`)."""
    from swapmock.contracts import load
    from swapmock.contracts.text import written
    from swapmock.mock_server.core.suggest import nearest
    from swapmock.mock_server.web.build import registrations

    known = [*registrations(), "admin"]
    if name not in known:
        guess = nearest(name, known)
        hint = f"did you mean {guess!r}?" if guess else f"known: {', '.join(known)}"
        raise UsageError(f"no contract named {name!r}; {hint}")
    click.echo(written(load(name), form), nl=False)


def _handled(make: Callable[[Any], Any], contract: Any) -> Any:
    """Return the operations for which a provider has handlers."""
    return make(contract).handlers.keys()


@click.command()
def lint() -> None:
    """Check the contracts: valid OpenAPI 3.1, examples fit, every operation has a handler."""
    try:
        import openapi_spec_validator  # noqa: F401 - only to say clearly what is missing
    except ImportError:
        raise UsageError("lint needs the extra `checks`: pip install 'swapmock[checks]'") from None
    from swapmock.contracts.lint import lint_all
    from swapmock.mock_server import admin
    from swapmock.mock_server.web.build import ProviderError, make_providers, registrations

    try:
        registered = registrations()
    except ProviderError as error:
        click.echo("\n".join(error.findings))
        raise SystemExit(1) from None
    handled: dict[str, Callable[[Any], Any]] = {name: partial(_handled, row.make) for name, row in registered.items()}
    handled["admin"] = lambda _: admin.HANDLERS.keys()
    findings = lint_all(handled)
    try:
        make_providers(registered)
    except ProviderError as error:
        findings += [finding for finding in error.findings if finding not in findings]
    for finding in findings:
        click.echo(finding)
    click.echo(f"{len(handled)} contract(s), {len(findings)} finding(s)")
    if findings:
        raise SystemExit(1)
