"""Facts: frozen as far as a type checker sees, for nothing at run time."""

import subprocess
import sys


def test_a_type_checker_lets_nobody_change_a_fact(tmp_path):
    code = tmp_path / "changes.py"
    code.write_text(
        "from swapmock.mock_server.core.call import Reply\n"
        "from swapmock.mock_server.core.task import Task\n\n"
        "def change(task: Task, reply: Reply) -> None:\n"
        "    task.charge = 1\n"
        "    reply.code = 1\n"
    )
    # In a process of its own: mypy raises the recursion limit of the one that it runs in.
    checker = [sys.executable, "-m", "mypy", "--config-file=", f"--cache-dir={tmp_path}", str(code)]
    ran = subprocess.run(checker, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1
    assert '"charge" defined in "Task" is read-only' in ran.stdout
    assert '"code" defined in "Reply" is read-only' in ran.stdout
