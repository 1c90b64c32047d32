"""Clients that know nothing of the judge: each must that a reader finds broken is found, and no other is said to be.

`python -m tests.behaviour.test_third_party NAME...` judges them under the whole corpus and tells what was found.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

from swapmock import Emulator
from swapmock.client_checks.behaviour.coupling import library
from swapmock.client_checks.behaviour.declaration import declare
from swapmock.client_checks.behaviour.model import Verdict
from swapmock.client_checks.behaviour.warm import warm
from tests.behaviour.clients import EXAMPLES, judged

HERE = Path(__file__).parent
ROWS = yaml.safe_load((HERE / "third_party.yaml").read_text("utf-8"))
RUNNERS = {".py": [sys.executable], ".mjs": ["node"], ".sh": ["sh"], ".bash": ["bash"]}

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not library(), reason="libfaketime is not installed: some clients wait for minutes"),
]


def params(rows, *marks):
    return [
        pytest.param(row, marks=[pytest.mark.needs(*row.get("needs", ())), *marks], id=row["client"]) for row in rows
    ]


def project(row, folder):
    """A folder with the client, and the command that runs it; a Go client is built there."""
    name = row["client"]
    shutil.copy(EXAMPLES / "third_party" / name, folder)
    if not name.endswith(".go"):
        return [*RUNNERS[Path(name).suffix], name]
    subprocess.run(["go", "build", "-o", "client", name], cwd=folder, check=True, timeout=300)
    return ["./client"]


def found_in(control, row, folder, cases):
    """The rules that fail and those that warn, and what is told of them."""
    declaration = declare({"jobs": 1, "command": project(row, folder), **row["declared"]})
    trial = judged(control, declaration, row.get("provider", "crun"), cases, at_once=None, project=folder)
    told = {
        verdict: {one.rule: f"{one.case}: {one.text}" for one in trial.judgements if one.verdict is verdict}
        for verdict in (Verdict.FAIL, Verdict.WARN, Verdict.HARNESS_ERROR)
    }
    return trial, told


def check(control, row, folder, cases):
    """On a machine that is too busy for scaled time a rule may stay undecided; it is never passed then."""
    trial, told = found_in(control, row, folder, cases)
    found, undecided = set(told[Verdict.FAIL]), set(told[Verdict.HARNESS_ERROR])
    assert found <= set(row["fails"]), told
    assert set(row["fails"]) - found <= undecided, told
    assert 2 * len(found) >= len(row["fails"]), told
    assert set(row["warns"]) <= set(told[Verdict.WARN]), told
    assert trial.errors == {}


def some(*names, marks=()):
    return params([row for row in ROWS if row["client"] in names], *marks)


@pytest.mark.parametrize(
    "row",
    [
        *some("requests_session.py"),
        *params([row for row in ROWS if row["client"] != "requests_session.py"], pytest.mark.slow),
    ],
)
def test_what_a_reader_finds_is_found_and_nothing_else(control, tmp_path, row):
    check(control, row, tmp_path, row["cases"])


@pytest.mark.slow
@pytest.mark.parametrize("row", params(ROWS))
def test_no_other_must_is_broken_in_the_whole_corpus(control, tmp_path, row):
    check(control, row, tmp_path, None)


def main():
    with Emulator(journal_size=5000) as emulator:
        warm(emulator)
        for row in ROWS:
            if sys.argv[1:] and row["client"] not in sys.argv[1:]:
                continue
            with tempfile.TemporaryDirectory() as folder:
                trial, told = found_in(emulator, row, Path(folder), None)
            right = set(told[Verdict.FAIL]) == set(row["fails"]) and set(row["warns"]) <= set(told[Verdict.WARN])
            sys.stdout.write(f"{'right' if right else 'WRONG'} {row['client']} {trial.coupling.kind} {trial.errors}\n")
            for verdict, rules in told.items():
                sys.stdout.writelines(f"  {verdict.value} {rule}: {text}\n" for rule, text in rules.items())
            sys.stdout.flush()


if __name__ == "__main__":
    main()
