"""`swapmock init`: writes a starter into a project."""

from __future__ import annotations

from pathlib import Path

import click

from swapmock.client_checks.starters import starter

#: Runner -> what its test needs.
NEEDS = {"pytest": "pip install 'swapmock[pytest]'", "vitest": "npm install, and swapmock or uvx on the PATH"}


@click.command()
@click.argument("runner", required=False, type=click.Choice(["pytest", "vitest"]))
@click.option(
    "--dir",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("."),
    show_default="the current folder",
    help="Folder of the project.",
)
@click.option(
    "--ci",
    type=click.Choice(["github", "gitlab", "none"]),
    default="github",
    show_default=True,
    help="The CI service for which a file is written.",
)
@click.option(
    "--provider",
    type=click.Choice(starter.PROVIDERS),
    default=starter.PROVIDERS[0],
    show_default=True,
    help="The API that the client under test calls.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
def init(runner: str | None, folder: Path, ci: str, provider: str, dry_run: bool) -> None:
    """Write a starter test, a CI file and config into a project, for pytest or Vitest.

    Without a RUNNER it is found from the files of the project. A file that exists is never changed. The test passes at once.
    The tests of both providers can be in one project.
    """
    chosen = runner or starter.detect(folder)
    files = list(starter.plan(folder, chosen, ci, provider))
    written = 0
    for file in files:
        if file.left_out:
            click.echo(f"kept   {file.path} ({file.left_out})")
        elif dry_run:
            click.echo(f"would write {file.path}")
            written += 1
        elif starter.write(folder, file):
            click.echo(f"wrote  {file.path}")
            written += 1
        else:
            click.echo(f"kept   {file.path} (it exists)")
    if not written:
        click.echo("Nothing was written: every file is there, and files that exist are left as they are.")
    click.echo(f"\nnext: {starter.COMMANDS[chosen]} {files[0].path}   (needs: {NEEDS[chosen]})")
