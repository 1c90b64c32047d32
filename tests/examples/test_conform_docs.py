"""The pages of `swapmock conform` say what its data says. `python -m tests.examples.test_conform_docs` writes them anew."""

from collections.abc import Mapping
from pathlib import Path

from swapmock.client_checks.behaviour import declaration
from swapmock.client_checks.behaviour.conditions import corpus
from swapmock.client_checks.behaviour.pages import pages, write

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "conform.md"


def declaration_table() -> str:
    rows = ["| field | meaning |", "|---|---|"]
    for name, field in declaration.schema()["properties"].items():
        rows.append(f"| `{name}` | {field['description']} |")
    return "\n".join(rows)


def case_table() -> str:
    rows = ["| case | what happens |", "|---|---|"]
    for one in corpus():
        only = f" ({', '.join(one.only)} only)" if one.only else ""
        rows.append(f"| `{one.name}` | {one.about}{only} |")
    return "\n".join(rows)


def tables() -> Mapping[str, str]:
    return {"declaration": declaration_table(), "cases": case_table()}


def filled(text: str) -> str:
    for name, table in tables().items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{table}\n{end}{rest.split(end)[1]}"
    return text


def test_the_tables_are_those_of_the_data():
    text = PAGE.read_text("utf-8")
    assert filled(text) == text


def test_each_rule_has_its_page():
    folder = ROOT / "docs" / "rules"
    made = pages(ROOT / "examples")
    assert {path.name for path in folder.glob("*.md")} == set(made)
    assert [name for name, text in made.items() if (folder / name).read_text("utf-8") != text] == []


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text("utf-8")), "utf-8")
    write(ROOT / "docs" / "rules", ROOT / "examples")
