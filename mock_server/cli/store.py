"""`swapmock store`: look at a sqlite store that no process has open, and write what it holds."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from swapmock.mock_server.cli.output import UsageError

if TYPE_CHECKING:
    from swapmock.mock_server.stores.sqlite_report import Found


@click.group()
def store() -> None:
    """Check or export a store of `serve --store sqlite:PATH`. No process may have it open; nothing is changed."""


@store.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def check(path: Path, form: str) -> None:
    """Check that a store is whole: its pages, its checksums, the order of its log, and the ledger of each sandbox.

    Exit status: 0 if all of it is, 1 if something is wrong, 2 if there is no store to check.
    """
    from swapmock.mock_server.core.ports import StoreError
    from swapmock.mock_server.stores.sqlite_report import examined

    try:
        found = examined(_place(path))
    except StoreError as error:
        raise UsageError(str(error)) from None
    click.echo(json.dumps(_document(found), indent=2) if form == "json" else _text(found))
    if found.is_wrong:
        sys.exit(1)


def _place(path: Path) -> Path:
    """Return `path` without the prefix `sqlite:` that `--store` has."""
    text = str(path)
    return Path(text.removeprefix("sqlite:")) if text.startswith("sqlite:") else path


def _document(found: Found) -> dict[str, Any]:
    return {
        "path": str(found.path),
        "format": found.format,
        "ok": not found.is_wrong,
        "problems": found.problems,
        "sandboxes": {
            row.name: {
                "counts": row.counts,
                "batches": row.batches,
                "log_bytes": row.log_bytes,
                "snapshot_bytes": row.snapshot_bytes,
                "ledger": {rule.name: {"holds": rule.holds, "detail": rule.detail} for rule in row.ledger},
            }
            for row in found.sandboxes
        },
    }


def _text(found: Found) -> str:
    lines = [f"{found.path}: format {found.format}, {len(found.sandboxes)} sandboxes"]
    for row in found.sandboxes:
        counts = ", ".join(f"{count} {name}" for name, count in row.counts.items() if count)
        lines.append(
            f"  {row.name}: {counts or 'empty'}; {row.batches} batches, {row.log_bytes + row.snapshot_bytes} bytes"
        )
        lines += [f"    ledger: {rule.name} does not hold: {rule.detail}" for rule in row.ledger if not rule.holds]
    lines += [f"problem: {problem}" for problem in found.problems]
    lines.append("not ok" if found.is_wrong else "ok")
    return "\n".join(lines)


@store.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--sandbox", help="Only this sandbox.")
def export(path: Path, sandbox: str | None) -> None:
    """Write the sandboxes of a store as snapshots, one JSON document a line.

    Each line can be given to `POST /__admin/sandboxes/ID/restore`. A snapshot has no credentials.
    """
    from swapmock.mock_server.core.ports import StoreError
    from swapmock.mock_server.stores.sqlite_report import boxes
    from swapmock.mock_server.web.build import snapshot_writer

    try:
        with boxes(_place(path)) as found:
            names = [name for name, _ in found]
            if sandbox is not None and sandbox not in names:
                raise UsageError(f"no sandbox {sandbox!r} in {path}; there are: {', '.join(names) or 'none'}")
            write = snapshot_writer()
            for name, held in found:
                if sandbox in (None, name):
                    click.echo(write(held.box, held.files))
    except StoreError as error:
        raise UsageError(str(error)) from None


__all__ = ["store"]
