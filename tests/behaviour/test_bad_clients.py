"""Each bad client breaks its rule and what follows from it, and nothing else."""

from pathlib import Path

import pytest
import yaml

from swapmock.client_checks.behaviour.coupling import library
from swapmock.client_checks.behaviour.rule import all_rules
from tests.behaviour.clients import EXAMPLES, broken, declared, judged

ROWS = yaml.safe_load((Path(__file__).parent / "bad_clients.yaml").read_text("utf-8"))
BATCH = {"jobs": 3, "callbacks": False, "env": {"WORK": "{work_dir}"}}
pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not library(), reason="libfaketime is not installed: some clients wait for minutes"),
]


def test_each_rule_has_its_bad_client():
    assert {row["rule"]: row["client"] for row in ROWS} == {rule.id: rule.bad for rule in all_rules().values()}
    assert {path.stem for path in (EXAMPLES / "bad").glob("*.py")} - {"_good"} == {row["client"] for row in ROWS}


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=[row["rule"] for row in ROWS])
def test_a_bad_client_breaks_its_rule_and_no_other(control, row):
    declaration = declared(f"bad/{row['client']}.py", **(BATCH if row.get("batch") else {}))
    trial = judged(control, declaration, row.get("provider", "crun"), row["cases"])
    found = broken(trial)
    assert (set(found), trial.errors) == ({row["rule"], *row.get("also", ())}, {}), found
