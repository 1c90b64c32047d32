"""The good clients pass every rule that applies to them, over the whole corpus."""

import shutil
import subprocess

import pytest

from swapmock.client_checks.behaviour.coupling import library
from swapmock.client_checks.behaviour.declaration import from_file
from swapmock.client_checks.behaviour.model import Verdict
from tests.behaviour.clients import AGAINST, EXAMPLES, broken, declared, judged

pytestmark = [
    pytest.mark.early,
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        not library(), reason="libfaketime is not installed: the whole corpus takes too long in real time"
    ),
]
#: Rules that no case of the corpus can put to the test for a client: variation is asked for by --vary.
NOT_IN_THE_CORPUS = {"V1"}

#: Cases of each kind, and the rules that they put to the test.
SOME = {
    "create_reset_after": "P1",
    "task_fails": "E2",
    "poll_503_thrice": "P6",
    "callback_duplicate": "C3",
    "media_cut": "R2",
    "killed_after_answer": "P9",
}


def exercised(trial):
    return {one.rule for one in trial.judgements if one.verdict is Verdict.PASS}


def left_open(trial):
    """The rules that were neither passed nor out of place for this client."""
    open_words = (Verdict.NOT_EXERCISED, Verdict.NOT_DECLARED, *AGAINST)
    passed = exercised(trial)
    return {one.rule for one in trial.judgements if one.verdict in open_words and one.rule not in passed}


PYTHON = pytest.mark.parametrize(("script", "provider"), [("good/crun.py", "crun"), ("good/imgopen.py", "imgopen")])


@PYTHON
def test_python_in_some_cases(control, script, provider):
    trial = judged(control, declared(script), provider, list(SOME))
    assert (broken(trial), trial.errors) == ({}, {})
    assert set(SOME.values()) <= exercised(trial)


@pytest.mark.long
@PYTHON
def test_python(control, script, provider):
    trial = judged(control, declared(script), provider, None)
    assert (broken(trial), trial.errors) == ({}, {})
    assert left_open(trial) <= NOT_IN_THE_CORPUS


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The TypeScript clients as JavaScript, for a Node that does not run TypeScript yet."""
    folder = tmp_path_factory.mktemp("typescript")
    for path in [
        *(EXAMPLES / "good").glob("*.ts"),
        EXAMPLES / "good" / "tsconfig.json",
        EXAMPLES / "good" / "package.json",
    ]:
        shutil.copy(path, folder)
    for words in (["npm", "install", "--no-audit", "--no-fund"], ["npx", "tsc", "--outDir", "out"]):
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stdout + done.stderr
    (folder / "out" / "package.json").write_text('{"type": "module"}')
    return folder / "out"


@pytest.mark.long
@pytest.mark.needs("node", "npm")
@pytest.mark.parametrize("provider", ["crun", "imgopen"])
def test_typescript(control, compiled, provider):
    declaration = from_file(EXAMPLES / "good" / "conform-typescript.toml").with_flags(
        command=("node", f"{provider}.js")
    )
    trial = judged(control, declaration, provider, None, project=compiled)
    assert (broken(trial), trial.errors) == ({}, {})
    assert left_open(trial) <= NOT_IN_THE_CORPUS


@pytest.mark.long
@pytest.mark.needs("curl", "jq")
@pytest.mark.parametrize("provider", ["crun", "imgopen"])
def test_shell(control, provider):
    declaration = from_file(EXAMPLES / "good" / "conform-shell.toml").with_flags(
        command=("bash", f"good/{provider}.sh")
    )
    trial = judged(control, declaration, provider, None)
    assert (broken(trial), trial.errors) == ({}, {})
    assert left_open(trial) <= NOT_IN_THE_CORPUS | {"L3"}  # a busy machine leaves a shell too few polls


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the Go client, built."""
    folder = tmp_path_factory.mktemp("go")
    for name in ("crun.go", "conform-go.toml"):
        shutil.copy(EXAMPLES / "good" / name, folder)
    done = subprocess.run(
        ["go", "build", "-o", "crun", "crun.go"], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return folder


#: Cases that a client in real time is through with within a quarter of a minute.
SHORT = ["create_refused_in_200", "create_500_after", "create_reset_before", "create_html_after", "create_455_thrice"]
SHORT += ["task_fails", "no_media", "poll_html", "poll_401", "media_is_a_page", "redirect", "killed_after_answer"]


@pytest.mark.needs("go")
@pytest.mark.long
@pytest.mark.parametrize("names", [SHORT, pytest.param(None, marks=pytest.mark.slow)], ids=["short", "all"])
def test_go(control, built, names):
    trial = judged(control, from_file(built / "conform-go.toml"), "crun", names, at_once=None, project=built)
    assert (broken(trial), trial.errors) == ({}, {})
    assert trial.coupling.kind == "real"
    assert {"E1", "E2", "E7", "P1", "P2", "P9", "K1", "K2", "R2"} <= exercised(trial)


@pytest.mark.long
@PYTHON
def test_permitted_variation_breaks_nothing(control, script, provider):
    from swapmock.client_checks.behaviour.variation import varied

    trial = judged(control, declared(script), provider, [one.name for one in varied([], 1)])
    assert (broken(trial), trial.errors) == ({}, {})
    assert "V1" in exercised(trial)


def test_an_upload_without_the_key(control):
    trial = judged(control, declared("good/crun_upload.py", faces=4), "crun", ["create_429_seconds"])
    assert broken(trial) == {}
    assert "R4" in exercised(trial)
