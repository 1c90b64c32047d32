"""Facts: frozen as far as a type checker sees, for nothing at run time."""

import pytest
from mypy import api


@pytest.mark.parametrize(("record", "field"), [("task.Task", "charge"), ("call.Reply", "code")])
def test_a_type_checker_lets_nobody_change_a_fact(tmp_path, record, field):
    module, name = record.split(".")
    code = tmp_path / "changes.py"
    code.write_text(
        f"from mock_server.core.{module} import {name}\n\ndef change(it: {name}) -> None:\n    it.{field} = 1\n"
    )
    said, _, status = api.run(["--config-file=", f"--cache-dir={tmp_path}", str(code)])
    assert status == 1
    assert f'"{field}" defined in "{name}" is read-only' in said
