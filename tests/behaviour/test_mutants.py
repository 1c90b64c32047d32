"""Mutants of the good clients are killed: each change of a good client breaks some rule.

`python -m tests.behaviour.test_mutants` tries all of them and tells the rate; the test tries some.
"""

import shutil
import sys
from pathlib import Path

import pytest
import yaml

from swapmock import Emulator
from swapmock.client_checks.behaviour.coupling import library
from swapmock.client_checks.behaviour.runner import Bench
from swapmock.client_checks.behaviour.trial import judge_client
from swapmock.client_checks.behaviour.warm import warm
from swapmock.client_checks.clock import RealClock
from tests.behaviour.clients import EXAMPLES, broken, declared, rows

ROWS = yaml.safe_load((Path(__file__).parent / "mutants.yaml").read_text("utf-8"))
CLIENTS = {"crun": "good/crun.py", "imgopen": "good/imgopen.py"}
#: Cases that are an API's own, or that one client cannot show.
ONLY = {"crun": {"detection_expires", "create_505", "faces_in_other_order"}, "imgopen": set()}


def mutants():
    """Each row with each client that it changes."""
    for row in ROWS:
        given = row.get("provider") or {"crun.py": "crun", "imgopen.py": "imgopen"}.get(row["file"])
        for provider in (given,) if given else CLIENTS:
            yield row, provider


def mutated(row, folder):
    """A copy of the examples with the row's change."""
    copy = folder / "examples"
    shutil.copytree(EXAMPLES / "good", copy / "good", ignore=shutil.ignore_patterns("__pycache__"))
    path = copy / "good" / row["file"]
    text = path.read_text("utf-8")
    old, new = (row[name].replace("\\n", "\n") for name in ("old", "new"))
    assert text.count(old) == 1, f"{row['name']}: what it changes stands {text.count(old)} times"
    changed = text.replace(old, new)
    compile(changed, str(path), "exec")
    path.write_text(changed, "utf-8")
    return copy


def killed_by(control, row, provider, folder):
    bench = Bench(control, declared(CLIENTS[provider]), mutated(row, folder), RealClock())
    trial = judge_client(bench, rows(row["cases"]), providers=[provider], at_once=4)[0]
    return broken(trial)


def test_there_are_at_least_sixty_and_each_applies(tmp_path):
    made = list(mutants())
    assert len(made) >= 60
    for number, (row, _) in enumerate(made):
        mutated(row, tmp_path / str(number))


def test_survivors_have_reasons():
    survivors = [row for row, _ in mutants() if "survives" in row]
    assert all(len(row["survives"]) > 20 for row in survivors)
    assert len(survivors) / len(list(mutants())) <= 0.05


SAMPLE = [(row, provider) for row, provider in mutants() if "survives" not in row][::9]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not library(), reason="libfaketime is not installed: some mutants wait for minutes")
@pytest.mark.parametrize(("row", "provider"), SAMPLE, ids=[f"{row['name']}-{provider}" for row, provider in SAMPLE])
def test_a_mutant_is_killed(control, tmp_path, row, provider):
    assert killed_by(control, row, provider, tmp_path)


def main():
    """Try all of them, or those whose names are given."""
    import tempfile

    names, counts = sys.argv[1:], {True: 0, False: 0}
    with Emulator(journal_size=5000) as emulator:
        warm(emulator)
        for row, provider in mutants():
            if (names and row["name"] not in names) or "survives" in row:
                continue
            with tempfile.TemporaryDirectory() as folder:
                found = killed_by(emulator, row, provider, Path(folder))
            counts[bool(found)] += 1
            sys.stdout.write(f"{'killed  ' if found else 'SURVIVED'} {row['name']} {provider} {sorted(found)}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{counts[True]} of {counts[True] + counts[False]} killed\n")


if __name__ == "__main__":
    main()
