"""`swapmock init`: writes a starter into a project."""

from __future__ import annotations

from pathlib import Path

import click

RUN = {
    "pytest": "python -m pytest {test}   (needs: pip install 'swapmock[pytest]')",
    "vitest": "npx vitest run {test}   (needs: npm install, and swapmock or uvx on the PATH)",
}


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
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
def init(runner: str | None, folder: Path, ci: str, dry_run: bool) -> None:
    """Write a starter test, a CI file and config into a project, for pytest or Vitest.

    Without a RUNNER it is found from the files of the project. A file that exists is never changed. The test passes at once.
    """
    from swapmock.client_checks.starters import starter

    chosen = runner or starter.detect(folder)
    files = list(starter.plan(folder, chosen, ci))
    for file in files:
        if file.left_out:
            click.echo(f"kept   {file.path} ({file.left_out})")
        elif dry_run:
            click.echo(f"would write {file.path}")
        elif starter.write(folder, file):
            click.echo(f"wrote  {file.path}")
        else:
            click.echo(f"kept   {file.path} (it exists)")
    click.echo(f"\nnext: {RUN[chosen].format(test=files[0].path)}")
