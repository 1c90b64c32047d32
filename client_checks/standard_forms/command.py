"""Implements the command `export`."""

from __future__ import annotations

from pathlib import Path

import click

FORMS = ("arazzo", "asyncapi", "bruno", "postman")


@click.command()
@click.argument("provider")
@click.argument("form", type=click.Choice(FORMS))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="The folder to write into."
)
@click.option(
    "--base-url", default="http://127.0.0.1:4020", show_default=True, help="The server that collections call."
)
@click.option("--live", is_flag=True, help="Leave out what needs an emulator, and the credentials of its accounts.")
def export(provider: str, form: str, out: Path, base_url: str, live: bool) -> None:
    """Write a provider's flows or callbacks in a standard form.

    arazzo: every flow as an Arazzo workflow, beside the OpenAPI documents. asyncapi: the callbacks. bruno, postman: every flow
    as a collection.
    """
    from swapmock.client_checks.standard_forms.writing import write

    try:
        made = write(provider, form, out, base_url, live=live)
    except FileNotFoundError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.UsageError(f"--out: cannot write {error.filename}: {error.strerror}") from None
    for place in made[:1] if form == "bruno" else made:
        click.echo(place)
    if form == "bruno":
        click.echo(f"{len(made)} files in {out}")
