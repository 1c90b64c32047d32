"""Compare two recordings: every difference, one line each.

    python -m tests.corpus.compare OLD NEW [--ignore-admin-prose] [--ignore-version]

Ends with 1 if there is any. `--ignore-admin-prose` takes sentences of the control plane for equal: `title`, `detail` and the
`detail` of each of `errors` in its problem documents, and in what `why` explains its summary, its sentences and its diagram.
`--ignore-version` takes the emulator's own version for equal, where snapshots, the index and HAR files name it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Members of a problem document, and of an explanation, that are sentences for people.
PROBLEM_PROSE = ("title", "detail")
WHY_PROSE = ("summary", "text", "mermaid", "detail", "title")

#: In place of a sentence.
PROSE = "(prose)"

#: The most that is shown of a value.
SHOWN = 300


def main() -> None:
    asked = _arguments()
    told, members = 0, Counter[str]()
    old, new = _read(asked.old), _read(asked.new)
    for step, member, before, after in differences(old, new, asked):
        members[member.partition("/")[0]] += 1
        told += 1
        if told <= asked.most:
            sys.stdout.write(f"{step}\n  {member}\n    old {_short(before)}\n    new {_short(after)}\n")
    if told > asked.most:
        sys.stdout.write(f"... and {told - asked.most} more\n")
    counts = ", ".join(f"{name} {count}" for name, count in members.most_common())
    sys.stdout.write(f"{len(old)} and {len(new)} records, {told} differences{': ' + counts if counts else ''}\n")
    sys.exit(1 if told else 0)


def differences(
    old: dict[str, Any], new: dict[str, Any], asked: argparse.Namespace
) -> Iterator[tuple[str, str, Any, Any]]:
    """`(step, member, old, new)`."""
    for step, before in old.items():
        if step not in new:
            yield step, "step", "recorded", "not recorded"
        elif before != new[step]:
            one, other = _plain(before, asked), _plain(new[step], asked)
            for member, was, now in _between("", one, other):
                yield step, member, was, now
    for step in new:
        if step not in old:
            yield step, "step", "not recorded", "recorded"
    if set(old) == set(new) and list(old) != list(new):
        yield "(all)", "order of steps", "", ""


def _between(place: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """The smallest members that differ. The order of an object's members counts, too."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(name for name in new if name not in old)]:
            yield from _between(f"{place}/{name}".lstrip("/"), old.get(name, "(absent)"), new.get(name, "(absent)"))
        if list(old) != list(new) and set(old) == set(new):
            yield f"{place}/(order)", list(old), list(new)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _between(f"{place}/{number}", one, other)
    elif old != new or type(old) is not type(new):
        yield place, old, new


def _plain(record: Any, asked: argparse.Namespace) -> Any:
    """A record as it is compared: JSON bodies taken apart, what is to be ignored taken out."""
    text = json.dumps(record, ensure_ascii=False)
    if asked.ignore_version:
        record = json.loads(VERSION.sub(r"\1(version)", text))
    answer = record.get("answer")
    path = record.get("request", {}).get("path", "")
    if not isinstance(answer, dict) or not isinstance(answer.get("body"), str):
        return record
    answer = dict(answer)
    if asked.ignore_admin_prose and path.startswith("/__admin"):
        _without_prose(path, answer)
    answer["body"] = _taken_apart(answer["body"])
    return {**record, "answer": answer}


#: The version of the emulator in a snapshot, in the index and in a HAR file, within the JSON of a record.
VERSION = re.compile(r'(\\"(?:version|swapmock)\\":\s*\\"|swapmock[/ ])\d+\.\d+\.\d+(?:[.a-z]+\d+)?')


def _taken_apart(body: str) -> Any:
    """A JSON body as its value, if that says all: what is written otherwise, by a space or the form of a number, stays text."""
    try:
        value = json.loads(body)
    except ValueError:
        return body
    compact = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return {"json": value} if compact == body else {"json": value, "text": body}


def _without_prose(path: str, answer: dict[str, Any]) -> None:
    kind = next((value for name, value in answer["headers"] if name.lower() == "content-type"), "")
    is_why = "/why/" in path
    names = PROBLEM_PROSE if "problem+json" in kind else WHY_PROSE if is_why else ()
    if not names:
        return
    try:
        answer["body"] = json.dumps(
            _emptied(json.loads(answer["body"]), names), ensure_ascii=False, separators=(",", ":")
        )
    except ValueError:
        if not is_why:
            return
        answer["body"] = PROSE  # a diagram as plain text
    headers = answer["headers"]
    answer["headers"] = [[name, PROSE if name.lower() == "content-length" else value] for name, value in headers]


def _emptied(value: Any, names: tuple[str, ...]) -> Any:
    """Without the sentences. What a vendor's client and the vendor said (`body`) is kept."""
    if isinstance(value, list):
        return [_emptied(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: item if name == "body" else PROSE if name in names and isinstance(item, str) else _emptied(item, names)
        for name, item in value.items()
    }


def _read(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    return {record.pop("step"): record for record in records}


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--ignore-admin-prose", action="store_true", help="sentences of the control plane may differ")
    parser.add_argument("--ignore-text-of", choices=["admin"], help="the same as --ignore-admin-prose")
    parser.add_argument("--ignore-version", action="store_true", help="the emulator's own version may differ")
    parser.add_argument("--most", type=int, default=200, help="differences that are shown")
    asked = parser.parse_args()
    asked.ignore_admin_prose = asked.ignore_admin_prose or asked.ignore_text_of == "admin"
    return asked


if __name__ == "__main__":
    main()
