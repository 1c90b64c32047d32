"""The servers that `make bench` compares with and that we write ourselves: each must answer both calls."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import baselines
from bench.machine import Call, ask, first_answer, free_port

CREATE = Call("POST", "/api/v1/client/job/detect-face-image", {"content-type": "application/json"}, "{}")
POLL = Call("GET", "/api/v1/client/job/detect-face-result", {})


@pytest.mark.parametrize("name", ["constant", "uvicorn", "httpserver"])
def test_it_answers_the_bytes_that_it_was_given(name):
    port = free_port()
    command = [sys.executable, str(Path(baselines.__file__)), name, str(port), json.dumps([{"made": 1}, {"done": 1}])]
    process = subprocess.Popen(command)
    try:
        assert first_answer(port, CREATE, process) == b'{"made":1}'
        assert ask(port, POLL) == (200, b'{"done":1}')
    finally:
        process.kill()
        process.wait()
