"""Which servers `make bench ARGS='--only NAME'` measures."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.servers import SERVERS, chosen

ROOT = Path(__file__).resolve().parents[2]


def test_a_part_of_a_name_in_any_case_will_do_and_ours_is_always_there():
    assert [server.name for server in chosen(["prism", "apimock"])] == ["swapmock", "Prism", "apimock-rs"]
    assert [server.name for server in chosen(["swapmock"])] == ["swapmock"]
    assert chosen([]) == list(SERVERS)


def test_a_name_that_fits_nothing_is_one_line():
    with pytest.raises(LookupError, match="--only prsim: no server"):
        chosen(["Prism", "prsim"])
    command = [sys.executable, "-m", "bench", "--only", "prsim"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("bench: --only prsim: no server has that in its name; there are 'swapmock', ")
    assert len(done.stderr.splitlines()) == 1
