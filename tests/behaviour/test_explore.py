"""The search for conditions: what it draws, and that it finds bugs which only two faults together show.

`python -m tests.behaviour.test_explore` tries all planted bugs and tells the seconds; the test tries some.
"""

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from swapmock import Emulator
from swapmock.client_checks.behaviour.conditions import read
from swapmock.client_checks.behaviour.coupling import library
from swapmock.client_checks.behaviour.explore import ELEMENTS, Explorer, combine, drawn
from swapmock.client_checks.behaviour.judge import Judgement
from swapmock.client_checks.behaviour.model import Level, Verdict
from swapmock.client_checks.behaviour.rule import all_rules
from swapmock.client_checks.behaviour.runner import Bench
from swapmock.client_checks.behaviour.trial import judge_client
from swapmock.client_checks.behaviour.warm import warm
from swapmock.client_checks.clock import RealClock
from tests.behaviour.clients import EXAMPLES, declared

HERE = Path(__file__).parent
PLANTED = [tuple(pair) for pair in yaml.safe_load((HERE / "planted.yaml").read_text("utf-8"))]


def explorer(control, folder, pair, say=lambda text: None):
    folder.mkdir(exist_ok=True)
    shutil.copytree(EXAMPLES / "good", folder / "good", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "planted_client.py", folder)
    declaration = declared("planted_client.py", env={"PLANTED": ",".join(pair), "JOB_DEADLINE": "{deadline}"})
    bench = Bench(control, declaration, folder, RealClock())
    rules = list(all_rules().values())
    base = judge_client(bench, [], providers=["crun"], rules=rules)[0]
    return Explorer(bench, base, rules, 6, say)


def test_there_are_twenty_planted_bugs_of_two_known_elements():
    names = {str(one["name"]) for one in ELEMENTS}
    assert len(set(PLANTED)) == 20
    assert all(len(set(pair)) == 2 and set(pair) <= names for pair in PLANTED)


def test_the_same_seed_draws_the_same_and_leaves_no_pair_out_for_long():
    first, again, other = drawn(ELEMENTS, 1), drawn(ELEMENTS, 1), drawn(ELEMENTS, 2)
    made = [[one["name"] for one in next(first)] for _ in range(100)]
    assert made == [[one["name"] for one in next(again)] for _ in range(100)]
    assert made != [[one["name"] for one in next(other)] for _ in range(100)]
    met = {frozenset((one, two)) for names in made for one in names for two in names}
    assert all(frozenset(pair) in met for pair in PLANTED)
    assert all(1 <= len(names) <= 5 for names in made)


def test_elements_that_hide_each_other_are_tried_alone():
    draws = drawn(ELEMENTS, 1)
    sets = [{str(one["name"]) for one in next(draws)} for _ in range(200)]
    for hidden in ({"task_fails", "media_cut"}, {"create_500_after", "callback_never"}):
        assert [names for names in sets if hidden <= names and names != hidden] == []
        assert hidden in sets


class Planted(Explorer):
    """An explorer whose client breaks a rule under `needed` elements; `blind` of its first observations see nothing."""

    def __init__(self, needed, blind=0):
        self.needed, self.blind, self.sets = set(needed), blind, []

    def _broken(self, elements, rule=None):
        names = {one["name"] for one in elements}
        self.sets.append(names)
        return JUDGEMENT if self.needed <= names and len(self.sets) > self.blind else None


JUDGEMENT = Judgement("P2", Level.MUST, Verdict.FAIL, "crun")


@pytest.mark.parametrize("needed", [("poll_503",), ("create_429", "poll_503"), ("create_429", "poll_404", "slow")])
@pytest.mark.parametrize("blind", [0, 3])
def test_shrinking_leaves_what_is_needed_and_no_more(needed, blind):
    names = ("create_429", "poll_404", "poll_503", "slow", "vary_chunking")
    elements = [one for one in ELEMENTS if one["name"] in names]
    search = Planted(needed, blind)
    with ThreadPoolExecutor(1) as pool:
        left = search._shrunk(pool, "P2", elements)
    assert {one["name"] for one in left} == set(needed)
    assert len(search.sets) < 30


def test_what_is_combined_reads_as_a_case():
    elements = [
        one for one in ELEMENTS if one["name"] in ("create_429", "media_cut", "vary_chunking", "vary_whitespace")
    ]
    made = combine(elements)
    assert made.vary["names"] == ["whitespace", "chunking"]
    again = read([made.as_row()])[0]
    assert (len(again.faults), len(again.gateway)) == (1, 1)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(not library(), reason="libfaketime is not installed: each condition takes too long")
@pytest.mark.parametrize("pair", PLANTED[4:20:8], ids="+".join)
def test_a_bug_of_two_faults_is_found_and_shrunk(control, tmp_path, pair):
    found = explorer(control, tmp_path, pair).search(seed=1, budget=240.0)
    assert found is not None
    assert len(found.elements) <= 2
    assert set(found.elements) & set(pair), "a kill may do what a reset does"
    assert found.judgement.rule in ("P1", "P2")


def main():
    import tempfile

    wanted = [pair for pair in PLANTED if not sys.argv[1:] or "+".join(pair) in sys.argv[1:]]
    with Emulator(journal_size=5000) as emulator:
        warm(emulator)
        for pair in wanted:
            with tempfile.TemporaryDirectory() as folder:
                search = explorer(emulator, Path(folder) / "x", pair)
                started = RealClock().now()
                found = search.search(seed=1, budget=120.0)
                told = "not found" if found is None else f"{found.judgement.rule} {'+'.join(found.elements)}"
            sys.stdout.write(f"{'+'.join(pair)}: {told}, {search.tried} tried, {RealClock().now() - started:.0f} s\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
