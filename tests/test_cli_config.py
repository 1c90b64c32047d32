"""Where settings are found, and that an error says where a wrong one came from."""

import subprocess
import sys

import pytest

from tests.test_cli import ENVIRONMENT

#: A server that ends at once, for its port is wrong; its error says which settings it read.
WRONG_PORT = "port = 99999\n"


def serve(folder, *arguments, **environment):
    command = [sys.executable, "-m", "swapmock", "serve", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env={**ENVIRONMENT, **environment}, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    return done.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [("swapmock.toml", WRONG_PORT), ("pyproject.toml", f"[tool.swapmock]\n{WRONG_PORT}")],
)
@pytest.mark.parametrize("below", ["", "a/b"])
def test_a_file_is_found_in_the_folder_or_above(name, text, below, tmp_path):
    path = tmp_path / name
    path.write_text(text)
    folder = tmp_path / below
    folder.mkdir(parents=True, exist_ok=True)
    assert serve(folder) == f"swapmock: --port: 99999 is not between 0 and 65535 (from {path})\n"


def test_the_nearest_file_is_taken(tmp_path):
    (tmp_path / "swapmock.toml").write_text("port = 1000000\n")
    (tmp_path / "pyproject.toml").write_text(f"[tool.swapmock]\n{WRONG_PORT}")
    inner = tmp_path / "inner"
    inner.mkdir()
    assert "1000000" in serve(inner)  # swapmock.toml goes before pyproject.toml
    (inner / "pyproject.toml").write_text("[tool.other]\n")
    assert "1000000" in serve(inner)
    (inner / "pyproject.toml").write_text(f"[tool.swapmock]\n{WRONG_PORT}")
    assert "99999" in serve(inner)


def test_the_search_ends_at_a_repository(tmp_path):
    (tmp_path / "swapmock.toml").write_text(WRONG_PORT)
    inner = tmp_path / "inner"
    (inner / ".git").mkdir(parents=True)
    assert serve(inner, "--port", "-1") == "swapmock: --port: -1 is not between 0 and 65535\n"
    assert "99999" not in serve(inner, "--speed", "0")


def test_a_file_that_is_named_goes_before_one_that_is_found(tmp_path):
    (tmp_path / "swapmock.toml").write_text(WRONG_PORT)
    named = tmp_path / "named.yaml"
    named.write_text("port: 1000000\n")
    assert f"1000000 is not between 0 and 65535 (from {named})" in serve(tmp_path, "--config", named)


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"SWAPMOCK_PORT": "many"}, "'many' is not a valid integer. (from the variable SWAPMOCK_PORT)"),
        ({"SWAPMOCK_PORT": "99999"}, "--port: 99999 is not between 0 and 65535 (from the variable SWAPMOCK_PORT)"),
        ({"SWAPMOCK_LOG_LEVEL": "loud"}, "(from the variable SWAPMOCK_LOG_LEVEL)"),
        ({"SWAPMOCK_VARIANTS": "x.y=z"}, "no provider named 'x'"),
    ],
)
def test_the_variable_is_named(environment, told, tmp_path):
    assert told in serve(tmp_path, **environment)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("speed = 'fast'\n", "'fast' is not a valid float. (from {path})"),
        ("[variants.crun]\nx = 'y'\n", "no variant named 'x'"),
        ("ports = 5\n", "no setting named 'ports'; did you mean 'port'?"),
        ("port = \n", "is not TOML: "),
        ("port = [1, 2]\n", "port should hold one value"),
    ],
)
def test_a_wrong_toml_file_is_one_line(text, told, tmp_path):
    path = tmp_path / "swapmock.toml"
    path.write_text(text)
    assert told.format(path=path) in serve(tmp_path)


def test_a_flag_wins_over_a_variable_and_that_over_a_file(tmp_path):
    (tmp_path / "swapmock.toml").write_text(WRONG_PORT)
    assert "--port: 70000 is not between 0 and 65535 (from the variable" in serve(tmp_path, SWAPMOCK_PORT="70000")
    assert serve(tmp_path, "-p", "80000", SWAPMOCK_PORT="70000").endswith("80000 is not between 0 and 65535\n")
