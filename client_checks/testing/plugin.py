"""The pytest plugin of swapmock. It is active wherever swapmock is installed, and imports nothing until a fixture is
used.

Fixtures: `swapmock` (one emulator for the session), `swapmock_sandbox` (an account for each test), `swapmock_env`
(the variables that a client reads), `swapmock_inbox` (a receiver of callbacks). Marker:
`@pytest.mark.swapmock(scenario=..., variants=..., balance=..., clock=..., ...)` sets the options of the test's
sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from swapmock import Control, Sandbox
    from swapmock.client_checks.testing.inbox import Inbox

MARKER = (
    "swapmock(scenario=None, variants=None, balance=None, clock=None, seed=None, faults=(), proof=True): "
    "options of the sandbox that `swapmock_sandbox` makes; proof=False leaves out the check of ledger and contract"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the plugin to pytest."""
    group = parser.getgroup("swapmock")
    group.addoption("--swapmock-url", metavar="URL", help="Use the emulator at this base URL, and start none.")
    group.addoption(
        "--swapmock-token", metavar="TOKEN", default="", help="Bearer token of the admin API, if one is required."
    )
    parser.addini(
        "swapmock_env",
        "Variables that swapmock_env sets, one NAME=VALUE a line. VALUE may use {url}, {crun_key}, {imgopen_key}, "
        "{imgopen_secret} and {callback_url}.",
        type="linelist",
        default=[],
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker `swapmock`."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture(scope="session")
def _swapmock_emulator(request: pytest.FixtureRequest) -> Iterator[Control]:
    from swapmock import Emulator, RemoteEmulator

    url = request.config.getoption("swapmock_url")
    if url:
        with RemoteEmulator(url, token=request.config.getoption("swapmock_token")) as remote:
            yield remote
    else:
        with Emulator() as emulator:
            yield emulator


@pytest.fixture(scope="session")
def swapmock(_swapmock_emulator: Control) -> Control:
    """An emulator for the whole session: the one at `--swapmock-url`, else a new one on a free port.

    With pytest-xdist each worker starts its own emulator. A fixture of your own with this name may return another
    emulator, which `swapmock_sandbox` then uses."""
    return _swapmock_emulator


@pytest.fixture
def swapmock_sandbox(request: pytest.FixtureRequest, swapmock: object) -> Iterator[Sandbox]:
    """A sandbox for one test, with the options of its marker. It is deleted at the end.

    The test fails if the ledger does not balance at its end, or if the emulator broke its contract."""
    from swapmock import Control
    from swapmock.client_checks.testing.watch import drift_of

    # A project may have a fixture with this name for something else.
    emulator: Control = swapmock if isinstance(swapmock, Control) else request.getfixturevalue("_swapmock_emulator")
    options = _options(request.node)
    faults, labels = options.pop("faults", ()), {"test": request.node.nodeid[:200]}
    with emulator.sandbox(**{"labels": labels, **options}) as sandbox:
        for rule in faults:
            sandbox.add_fault(rule["effect"], **{name: value for name, value in rule.items() if name != "effect"})
        request.node.stash[_DRIFT] = drift_of(emulator)
        request.node.stash[_SANDBOX] = sandbox  # a project may wrap this fixture
        yield sandbox


@pytest.fixture
def swapmock_inbox() -> Iterator[Inbox]:
    """A receiver of callbacks, on pytest-httpserver. `swapmock_inbox.url` is the callback URL;
    `swapmock_inbox.received` has the callbacks that came."""
    try:
        from swapmock.client_checks.testing.inbox import Inbox
    except ModuleNotFoundError as missing:
        pytest.fail(f"swapmock_inbox needs {missing.name}: pip install 'swapmock[pytest]'", pytrace=False)

    with Inbox() as inbox:
        yield inbox


@pytest.fixture
def swapmock_env(
    request: pytest.FixtureRequest, swapmock_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Set the environment variables that a client reads, return them, and undo this after the test.

    The variables are those of `swapmock run`; the ini option `swapmock_env` maps them to the client's own names.
    The callback URL is set only in a test that also uses `swapmock_inbox`."""
    from swapmock.client_checks.testing.watch import environment

    inbox: Inbox | None = request.node.funcargs.get("swapmock_inbox")
    if inbox is None and "swapmock_inbox" in request.fixturenames:
        inbox = request.getfixturevalue("swapmock_inbox")
    found = environment(swapmock_sandbox, inbox, request.config.getini("swapmock_env"))
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """After a test that passed, check that its ledger balances and that the emulator kept its contract."""
    result = yield
    sandbox = item.stash.get(_SANDBOX, None)
    if sandbox is not None and _mark(item).get("proof", True):
        from swapmock.client_checks.testing.watch import broken_invariants

        drift = item.stash.get(_DRIFT, NO_DRIFT)
        found = broken_invariants(sandbox, drift)
        if found:
            pytest.fail("\n".join(["the sandbox of this test does not hold:", *found]), pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Add to a failing test's report what happened in its sandbox."""
    report = yield
    sandbox = item.stash.get(_SANDBOX, None)
    if call.when == "call" and report.failed and sandbox is not None:
        from swapmock.client_checks.testing.watch import summary

        try:
            text = summary(sandbox)
        except Exception as error:
            text = f"sandbox {sandbox.id} cannot be read: {error}"
        report.sections.append(("swapmock", text))
    return report


_DRIFT = pytest.StashKey[dict[str, float]]()
_SANDBOX = pytest.StashKey["Sandbox"]()
NO_DRIFT: dict[str, float] = {}


def _mark(item: pytest.Item) -> dict[str, Any]:
    """Return the options of all swapmock markers of a test; the closest marker wins."""
    options: dict[str, Any] = {}
    for marker in reversed(list(item.iter_markers("swapmock"))):
        if marker.args:
            raise pytest.UsageError(f"{item.nodeid}: the marker swapmock accepts only named options: {MARKER}")
        options |= marker.kwargs
    return options


def _options(item: pytest.Item) -> dict[str, Any]:
    """Return the options of the sandbox: those of the marker, without those that the plugin itself reads."""
    return {name: value for name, value in _mark(item).items() if name != "proof" and value is not None}
