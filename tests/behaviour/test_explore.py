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
from swapmock.client_checks.behaviour.judge import WEIGHT, Judgement
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

    def _broken(self, elements, rule=None, least=Verdict.WARN):
        names = {one["name"] for one in elements}
        self.sets.append(names)
        return JUDGEMENT if self.needed <= names and len(self.sets) > self.blind else None


class Slipping(Explorer):
    """An explorer whose client breaks the rule of each of `rules` under its elements."""

    def __init__(self, rules, verdict=Verdict.FAIL):
        self.rules, self.verdict, self.tried, self._say = rules, verdict, 0, lambda text: None

    def _broken(self, elements, rule=None, least=Verdict.WARN):
        self.tried += 1
        names = {one["name"] for one in elements}
        for broken, needed in self.rules.items():
            verdict = self.verdict if broken == "P2" else Verdict.FAIL
            heavy_enough = WEIGHT[verdict] >= WEIGHT[least]
            if rule in (None, broken) and heavy_enough and any(set(some) <= names for some in needed):
                return Judgement(broken, Level.MUST, verdict, "crun")
        return None

    def _surely_broken(self, elements, rule):
        return self._broken(elements, rule)


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


#: What breaks each rule, what was drawn, and what a finding names.
SLIPS = {
    "a doubt that only makes the second payment a blind one": (
        {"P1": [("create_html_after", "media_page", "poll_reset")], "P2": [("media_page", "poll_reset")]},
        ("create_html_after", "media_page", "poll_reset", "vary_chunking"),
        ("P2", {"media_page", "poll_reset"}),
    ),
    "a kill in place of a reset": (
        {"P2": [("create_429_told", "create_455", "killed_after_sending"), ("create_455", "create_reset_after")]},
        ("create_429_told", "create_455", "killed_after_sending"),
        ("P2", {"create_455", "create_reset_after"}),
    ),
    "three that are all needed": (
        {"P1": [("create_429", "media_page", "poll_404")]},
        ("create_429", "media_page", "poll_404"),
        ("P1", {"create_429", "media_page", "poll_404"}),
    ),
}


@pytest.mark.parametrize("name", SLIPS)
def test_a_finding_of_three_elements_gives_way_to_one_of_two(name):
    rules, names, (rule, left) = SLIPS[name]
    elements = [one for one in ELEMENTS if one["name"] in names]
    search = Slipping(rules)
    with ThreadPoolExecutor(1) as pool:
        found = search._found(pool, search._broken(elements), elements, ELEMENTS)
    assert found is not None
    assert (found.judgement.rule, set(found.elements)) == (rule, left)
    assert search.tried < 60


def test_a_finding_does_not_give_way_to_a_lighter_one():
    rules, names, _ = SLIPS["a doubt that only makes the second payment a blind one"]
    elements = [one for one in ELEMENTS if one["name"] in names]
    search = Slipping(rules, Verdict.WARN)
    with ThreadPoolExecutor(1) as pool:
        found = search._found(pool, search._broken(elements), elements, ELEMENTS)
    assert found is not None
    assert (found.judgement.rule, len(found.elements)) == ("P1", 3)


def test_what_is_combined_reads_as_a_case():
    elements = [
        one for one in ELEMENTS if one["name"] in ("create_429", "media_cut", "vary_chunking", "vary_whitespace")
    ]
    made = combine(elements)
    assert made.vary["names"] == ["whitespace", "chunking"]
    again = read([made.as_row()])[0]
    assert (len(again.faults), len(again.gateway)) == (1, 1)


def test_a_refusal_comes_before_a_submission_without_an_answer():
    by_name = {str(one["name"]): one for one in ELEMENTS}
    made = combine([by_name["create_reset_after"], by_name["create_455"]])
    assert [row["effect"] for row in made.faults] == [{"maintenance": True}, {"connection": "reset"}]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(not library(), reason="libfaketime is not installed: each condition takes too long")
@pytest.mark.parametrize("pair", PLANTED[4:20:8], ids="+".join)
def test_a_bug_of_two_faults_is_found_and_shrunk(control, tmp_path, pair):
    found = explorer(control, tmp_path, pair).search(seed=1, budget=240.0)
    assert found is not None
    assert len(found.elements) <= 2
    assert set(found.elements) & set(pair), "one may do what another does"
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
