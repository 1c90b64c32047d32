"""What a client is given: its copy of the project, and its variables."""

import pytest

from swapmock.client_checks.behaviour.environment import CASE_FOLDER, prepare, tool_folders, variables

CREDENTIALS = {"crun": {"key": "ak_1"}, "imgopen": {"key": "id_1", "secret": "sk_1"}}


def given(folders, outer, **mapped):
    return variables(
        outer,
        folders,
        url="http://127.0.0.1:1",
        credentials=CREDENTIALS,
        outcome_url="http://127.0.0.1:2/outcome",
        effect_url="http://127.0.0.1:2/effect",
        callback_port=3,
        case="slow",
        inputs={},
        mapped=mapped,
        deadline=60.0,
    )


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    for name in ("app/main.py", "node_modules/a/index.js", "packages/x/node_modules/b/index.js", "env/pyvenv.cfg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "data" / "big").mkdir(parents=True)
    (root / "target").write_text("a file, not a folder of dependencies")
    return root


def test_dependencies_are_linked_at_any_depth_and_the_rest_is_copied(tmp_path, project):
    cwd = prepare(tmp_path / "case", project, "copy", ["data/big"]).cwd
    linked = ("node_modules", "packages/x/node_modules", "env", "data/big")
    assert [name for name in linked if (cwd / name).is_symlink()] == list(linked)
    assert (cwd / "packages/x/node_modules/b/index.js").read_text() == "packages/x/node_modules/b/index.js"
    assert not (cwd / "app").is_symlink()
    (cwd / "app/main.py").write_text("changed by a case")
    assert (project / "app/main.py").read_text() == "app/main.py"
    assert (cwd / "target").read_text().startswith("a file")


def test_a_project_that_holds_the_folders_of_cases_is_not_copied_into_itself(project):
    case = project / f"{CASE_FOLDER}1"
    case.mkdir()
    cwd = prepare(case, project, "copy").cwd
    assert (cwd / "app/main.py").exists()
    assert not list(cwd.glob(f"{CASE_FOLDER}*"))


def test_home_is_new_and_tools_find_what_they_installed(tmp_path, project):
    home = tmp_path / "home"
    (home / ".cargo").mkdir(parents=True)
    folders = prepare(tmp_path / "case", project, "copy")
    found = given(folders, {"HOME": str(home), "PATH": "/nowhere"}, BASE="{url}/v1", DEADLINE="{deadline}")
    assert found["HOME"] == str(folders.home)
    assert found["CARGO_HOME"] == str(home / ".cargo")
    assert "RUSTUP_HOME" not in found
    assert (found["BASE"], found["DEADLINE"]) == ("http://127.0.0.1:1/v1", "60")
    kept = given(folders, {"HOME": str(home), "PATH": "/nowhere", "CARGO_HOME": "/mine"})
    assert kept["CARGO_HOME"] == "/mine"


def test_go_keeps_its_cache_of_builds(tmp_path):
    (tmp_path / "go").write_text("#!/bin/sh\n")
    (tmp_path / "go").chmod(0o755)
    found = tool_folders({"HOME": "/root-of-somebody", "PATH": str(tmp_path)})
    assert found == {"GOCACHE": "/root-of-somebody/.cache/go-build", "GOPATH": "/root-of-somebody/go"}
    assert tool_folders({"PATH": str(tmp_path)}) == {}


def test_proxies_and_settings_of_the_caller_do_not_reach_the_client(tmp_path, project):
    outer = {"https_proxy": "http://x", "SWAPMOCK_SEED": "1", "PATH": "/bin", "MINE": "yes"}
    found = given(prepare(tmp_path / "case", project, "copy"), outer)
    assert "https_proxy" not in found
    assert "SWAPMOCK_SEED" not in found
    assert found["MINE"] == "yes"
