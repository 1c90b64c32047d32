"""One self-contained HTML page: it loads no script, font or picture from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #8884; vertical-align: top; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8882; padding: .6rem; border-radius: .3rem; }
details { border-left: .3rem solid #8886; margin: .6rem 0; padding: .2rem .8rem; }
details.fail { border-color: #c22; } details.warn { border-color: #c90; }
summary { cursor: pointer; } code { font-size: .95em; }
.verdict { font-weight: 600; } .number { text-align: right; } .none { color: #c22; }
"""


def page(document: Mapping[str, Any], inspector: str = "") -> str:
    """Return the page for a `document` of `swapmock.client_checks.report.document`. `inspector` is the address of the inspector's
    page about the run, "" for none."""
    body = "".join(part for target in document["targets"] for part in _target(target))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>swapmock check</title>'
        '<meta name="viewport" content="width=device-width"><meta name="referrer" content="no-referrer">'
        f"<style>{STYLE}</style></head><body><h1>swapmock check</h1><p>swapmock {escape(str(document.get('version', '')))}, "
        f"{escape(str(document.get('started', '')))}, {document.get('duration', 0):g} s</p>{inspector_link(inspector)}{body}</body></html>\n"
    )


def inspector_link(url: str) -> str:
    """Return a paragraph with a link to the inspector's page at `url`, "" if `url` is no web address."""
    if not url.startswith(("http://", "https://")):
        return ""
    return f'<p><a href="{escape(url)}">This run in the inspector</a></p>'


def _target(target: Mapping[str, Any]) -> Iterator[str]:
    findings = target["findings"]
    fails = sum(one["grade"] == "fail" for one in findings)
    yield f"<h2>{escape(target['provider'])} at <code>{escape(target['base_url'])}</code></h2>"
    yield (
        f'<p class="verdict">{fails} failing, {len(findings) - fails} warnings; {target["calls"]} calls'
        f"{_spent(target)}, seed {target['seed']}</p>"
    )
    if target.get("aborted"):
        yield f'<p class="verdict none">Not finished: {escape(target["aborted"])}</p>'
    seen = target.get("coverage", {})
    told = ", ".join(f"{value} % of {name}" for name, value in seen.items())
    yield f"<p>Seen: {escape(told)}.</p>"
    never = [row["operation"] for row in target["operations"] if not row["succeeded"]]
    never += [f"code {row['code']}" for row in target["codes"] if not row["seen"]]
    never += [f"check {row['id']}" for row in target.get("checks", ()) if not row["examined"]]
    yield f"<p>Never seen: {escape(', '.join(never))}.</p>" if never else "<p>Everything was seen.</p>"
    yield "".join(map(_finding, findings)) or "<p>No findings.</p>"
    yield "<h3>Operations</h3>"
    yield table(
        ("operation", "calls", "succeeded", "HTTP statuses", "body codes"),
        (
            (row["operation"], row["calls"], row["succeeded"], _counts(row["statuses"]), _counts(row["codes"]))
            for row in target["operations"]
        ),
    )
    yield "<h3>Body codes</h3>"
    yield table(("code", "name", "seen"), ((row["code"], row["name"], row["seen"]) for row in target["codes"]))
    if target["left_out"]:
        yield "<h3>Left out</h3>"
        yield table(("what", "why"), ((row["what"], row["why"]) for row in target["left_out"]))
    yield "<h3>Held to</h3>"
    yield table(("variant", "choice"), sorted(target["variants"].items()))


def _spent(target: Mapping[str, Any]) -> str:
    return f", {target['spent']:g} credits" if target["is_live"] else ""


def _finding(finding: Mapping[str, Any]) -> str:
    rows = [
        ("expected", finding["expected"]), ("source", f"{finding['source']} ({finding['evidence']})"),
        ("got", finding["got"]), ("where", f"{finding['where']}, {finding['count']} times"),
    ]  # fmt: skip
    told = "".join(f"<dt>{name}</dt><dd>{escape(str(value))}</dd>" for name, value in rows)
    lines = finding.get("repeat") or finding["curl"]
    curl = f"<pre>{escape(lines)}</pre>" if lines else ""
    title = (
        f"{finding['id']} <b>{escape(finding['title'])}</b> {escape(finding['operation'])} {escape(finding['place'])}"
    )
    return f'<details open class="{finding["grade"]}"><summary>{finding["grade"]} {title}</summary><dl>{told}</dl>{curl}</details>'


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table with these names of columns. A number 0 is shown as one that is missing."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<td class="number{"" if value else " none"}">{value}</td>'
    return f"<td>{escape(str(value))}</td>"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in counts.items())
