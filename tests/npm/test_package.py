"""The npm package: built and packed from its folder, then used by a foreign project that knows nothing of ours."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.npm.packed import FOLDER

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.needs("npm", "node"), pytest.mark.long, pytest.mark.timeout(300)]

TEST = re.search(r"```ts\n(.*?)```", (FOLDER / "README.md").read_text("utf-8"), flags=re.DOTALL)[1]  # type: ignore[index]


def run(*command, folder, **environment):
    given = {
        name: value for name, value in os.environ.items() if not name.startswith(("SWAPMOCK_", "CRUN_", "IMGOPEN_"))
    }
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=200, env={**given, **environment}, check=False
    )


@pytest.fixture(scope="module")
def project(npm_package, tmp_path_factory):
    """An empty project of somebody else that has installed the packed file."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "package.json").write_text('{"name": "foreign", "private": true, "type": "module"}')
    done = run("npm", "install", "--offline", str(npm_package.file), folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


def with_command(**more):
    """The environment in which `swapmock` is on the PATH."""
    return {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **more}


def test_it_is_whole_and_brings_nothing_else(project):
    assert [path.name for path in (project / "node_modules").iterdir() if not path.name.startswith(".")] == ["swapmock"]
    package = project / "node_modules" / "swapmock"
    assert {"README.md", "LICENSE", "dist", "package.json"} == {path.name for path in package.iterdir()}
    about = json.loads((package / "package.json").read_text())
    assert about.get("dependencies", {}) == {}
    for entry in about["exports"].values():
        assert all((package / file).is_file() for file in entry.values())


def test_the_readme_is_a_test_of_nodes_own_runner(project):
    (project / "readme.test.js").write_text(TEST)
    done = run("node", "--test", "readme.test.js", folder=project, **with_command())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# pass 1" in done.stdout


def test_one_version_everywhere():
    import swapmock

    assert json.loads((FOLDER / "package.json").read_text())["version"] == swapmock.__version__


CONTROL = """
import assert from "node:assert";
import { AdminError, start } from "swapmock";

const running = await start({ args: ["--balance", "50"] });
try {
  assert.equal(running.how, process.env.EXPECTED);
  const sandbox = await running.emulator.sandbox({ clock: "frozen", balance: 4 });
  await sandbox.addFault({ code: 429, retry_after: 5 }, { match: { operation: "get_account_balance" }, times: 1 });
  const ask = () => fetch(`${sandbox.baseUrl}/api/v1/client/account/balance`, { headers: sandbox.headers() });
  assert.equal((await ask()).status, 429);
  assert.equal((await (await ask()).json()).data.balance, 4);
  await sandbox.grant(2);
  assert.equal(await sandbox.balance(), 6);
  await sandbox.queue("fails");
  assert.equal((await sandbox.expect("get_account_balance", { times: 2 })).length, 2);
  await assert.rejects(sandbox.expect("create_task"), /expected at least one create_task, got 0.*get_account_balance: HTTP 429/s);
  const [first] = await sandbox.requests();
  assert.equal((await sandbox.why(first.id)).fault, "fault-1");
  await assert.rejects(running.emulator.sandbox({ ballance: 1 }), (error) =>
    error instanceof AdminError && error.status === 400 && /did you mean 'balance'/.test(error.message));
  const copy = await running.emulator.sandbox();
  await copy.restore(await sandbox.snapshot());
  assert.equal(await copy.balance(), 6);
  await sandbox.delete();
  await assert.rejects(running.emulator.get(sandbox.id), { status: 404 });
} finally {
  await running.stop();
}
"""


def test_the_client_speaks_to_one_that_it_starts(project):
    (project / "control.mjs").write_text(CONTROL)
    done = run("node", "control.mjs", folder=project, **with_command(EXPECTED="path"))
    assert done.returncode == 0, done.stderr


AT_ONCE = """
import assert from "node:assert";
import { start } from "swapmock";

const all = await Promise.all([start(), start(), start()]);
try {
  assert.equal(new Set(all.map((one) => one.emulator.url)).size, 3);
  for (const [number, one] of all.entries()) await one.emulator.sandbox({ id: `only-${number}` });
} finally {
  await Promise.all(all.map((one) => one.stop()));
}
"""


def test_those_that_start_at_the_same_time_are_different(project):
    """As the files of a test run do: each takes the port that its own emulator got."""
    (project / "at-once.mjs").write_text(AT_ONCE)
    done = run("node", "at-once.mjs", folder=project, **with_command())
    assert done.returncode == 0, done.stderr


DOCKER = """#!{python}
import os, sys
if sys.argv[1] == "info":
    sys.exit(0)
assert sys.argv[1] == "run", sys.argv
port = sys.argv[sys.argv.index("--publish") + 1].split(":")[1]
for number, word in enumerate(sys.argv):
    if word == "--env" and "=" in sys.argv[number + 1]:
        name, value = sys.argv[number + 1].split("=", 1)
        os.environ[name] = value
arguments = sys.argv[sys.argv.index("swapmock") + 1 :]
os.execv({python!r}, [{python!r}, "-m", "swapmock", *arguments, "--host", "0.0.0.0", "--port", port])
"""


def test_in_a_container_the_admin_api_is_reached_by_a_token(project, tmp_path):
    """A stand-in for docker runs the server as the image does, on every address: then a token is demanded."""
    (tmp_path / "node").symlink_to(shutil.which("node"))
    (tmp_path / "docker").write_text(DOCKER.format(python=sys.executable))
    (tmp_path / "docker").chmod(0o755)
    (project / "control.mjs").write_text(CONTROL)
    done = run("node", "control.mjs", folder=project, PATH=str(tmp_path), EXPECTED="container")
    assert done.returncode == 0, done.stderr


def test_one_clear_error_where_nothing_can_be_started(project, tmp_path):
    (tmp_path / "node").symlink_to(shutil.which("node"))
    (project / "nothing.mjs").write_text('import { start } from "swapmock"; await start();')
    done = run("node", "nothing.mjs", folder=project, PATH=str(tmp_path))
    assert done.returncode == 1
    for text in (
        "swapmock could not be started.",
        "swapmock: not found",
        "uvx: not found",
        "docker: not found",
        "set SWAPMOCK_URL",
    ):
        assert text in done.stderr
    done = run("node", "nothing.mjs", folder=project, PATH=str(tmp_path), SWAPMOCK_URL="http://127.0.0.1:1")
    assert "nothing answers at http://127.0.0.1:1 (from SWAPMOCK_URL)" in done.stderr


def test_the_types_are_those_of_the_contract(npm_package, tmp_path):
    """`npm run generate` wrote src/admin-types.ts; it is run again here."""
    before = (FOLDER / "src" / "admin-types.ts").read_text()
    place = tmp_path / "again.ts"
    command = ["npx", "openapi-typescript", str(ROOT / "contracts/admin/openapi.yaml"), "--output", str(place)]
    done = run(*command, folder=npm_package.folder)
    assert done.returncode == 0, done.stderr
    assert place.read_text() == before, "npm run generate renews it"


#: The blocks of the page on Vitest, by the files that they are.
BLOCKS = dict(
    re.findall(r'```ts title="([^"]+)"\n(.*?)```', (ROOT / "docs/how-to/vitest.md").read_text("utf-8"), flags=re.DOTALL)
)


def test_vitest_and_typescript_take_it(project):
    done = run(
        "npm", "install", "--no-audit", "--no-fund", "vitest@3", "typescript@5", "@types/node@20", folder=project
    )
    if done.returncode and os.environ.get("CI") != "true":
        pytest.skip("npm reaches no registry")
    assert done.returncode == 0, done.stderr
    source = TEST.replace('import { test } from "node:test";', 'import { test } from "vitest";').replace(
        "swapmock/node", "swapmock/vitest"
    )
    (project / "it.test.ts").write_text(source)
    (project / "wrong.ts").write_text(
        'import { Emulator } from "swapmock";\nvoid new Emulator("x").sandbox({ ballance: 1 });\n'
    )
    for name, text in BLOCKS.items():
        (project / name).write_text(text)
    done = run("npx", "vitest", "run", "it.test.ts", "swap.test.ts", folder=project, **with_command())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    flags = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--skipLibCheck"]
    said = run("npx", "tsc", *flags, "it.test.ts", "wrong.ts", *BLOCKS, folder=project).stdout
    assert "ballance" in said
    assert [name for name in ("it.test.ts", *BLOCKS) if name in said] == [], said
