"""The client's command as a process."""

import shutil

from swapmock.client_checks.behaviour.process import Process
from swapmock.client_checks.clock import RealClock


class Freeing(RealClock):
    """Closes `file` at the first pause."""

    def __init__(self, file):
        self.file, self.pauses = file, 0

    def pause(self, seconds):
        self.pauses += 1
        self.file.close()
        super().pause(seconds)


def test_a_program_that_is_busy_is_tried_again(tmp_path):
    program = tmp_path / "client"
    shutil.copy(shutil.which("true") or "/bin/true", program)
    with program.open("ab") as held:
        clock = Freeing(held)
        process = Process(["./client"], {"PATH": "/bin"}, tmp_path, tmp_path / "outputs", clock, 20.0)
        ended = process.run()
    assert (ended.how, ended.status) == ("exit", 0)
    assert clock.pauses == 1
