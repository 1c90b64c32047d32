"""`swapmock check` judges a provider from outside the package: no envelope, polls by path, a bearer token."""

from dataclasses import replace

import pytest
from click.testing import CliRunner

from swapmock import Emulator
from swapmock.client_checks.cli import check
from swapmock.client_checks.conformance.command import check_target
from swapmock.client_checks.conformance.profile import has_profile, known, profile
from swapmock.client_checks.conformance.target import CannotRun
from swapmock.contracts import load
from swapmock.mock_server.core.call import Problem, Reply
from swapmock.provider import Registration
from tests.third_provider.facely import REGISTRATION

FOLDER = REGISTRATION.folder


def emulator_with(make=REGISTRATION.make):
    providers = {"facely": Registration(FOLDER, make)}
    return Emulator.with_providers(providers, callback_allow=("127.0.0.1",))


def check_facely(make=REGISTRATION.make, **given):
    with emulator_with(make) as emulator:
        (result,) = check_target(emulator.url, {"provider": "facely", **given}, {})
    return result


def test_the_emulator_is_clean_in_every_flow_and_refusal():
    result = check_facely(parts=("flows",))
    assert [(one.id, one.operation, one.expected, one.got) for one in result.findings] == []
    assert result.exit_code == 0
    facts = profile("facely")
    rows = {f"flow {row['name']}" for row in facts.flows} | {f"refusal {row['name']}" for row in facts.refusals}
    assert rows <= set(result.completed)
    assert all(row.succeeded for row in result.coverage.operations)
    seen = {code for code, _, times in result.coverage.codes if times}
    assert {"401", "402", "403", "404", "405", "422", "429"} <= seen


def test_the_emulator_is_clean_under_generated_calls():
    result = check_facely(parts=("examples", "coverage", "fuzzing", "stateful"), max_examples=3)
    assert [(one.id, one.operation, one.expected, one.got) for one in result.findings] == []
    assert result.exit_code == 0


def shows(change):
    """A defect in what polls show of a swap."""

    def make(contract):
        provider = REGISTRATION.make(contract)
        handlers = dict(provider.handlers)
        right = handlers["get_swap"]
        handlers["get_swap"] = lambda call, engine: Reply(change(dict(right(call, engine).data)))
        return replace(provider, handlers=handlers)

    return make


def accepts(operation, body):
    """A defect in `operation`: what should be refused is answered with `body` and HTTP 200."""

    def make(contract):
        provider = REGISTRATION.make(contract)
        right = provider.handlers[operation]

        def lenient(call, engine):
            try:
                return right(call, engine)
            except Problem:
                return Reply(body)

        return replace(provider, handlers={**provider.handlers, operation: lenient})

    return make


def tells(change):
    """A defect in the body of webhooks."""

    def make(contract):
        provider = REGISTRATION.make(contract)
        right = provider.callback_body
        return replace(provider, callback_body=lambda call, engine, task: change(dict(right(call, engine, task))))

    return make


def without_result(data):
    data.pop("output_url", None)
    return data


def calls_errors(media_type):
    """A defect in the Content-Type of errors."""

    def make(contract):
        provider = REGISTRATION.make(contract)

        def render(problem, variants):
            own = provider.render_problem(problem, variants)
            return own._replace(headers=(("content-type", media_type), *own.headers))

        return replace(provider, render_problem=render)

    return make


DEFECTS = {
    "errors of a type that the contract does not list": (calls_errors("application/problem+json"), "answer.form", "get_account"),
    "success without a result": (shows(without_result), "task.result", "get_swap"),
    "another task": (shows(lambda data: {**data, "id": "swp_other"}), "task.ids", "get_swap"),
    "an unknown task is accepted": (accepts("get_swap", {"id": "swp_0", "status": "queued"}), "refusal.missing", "get_swap"),
    "a webhook for another task": (tells(lambda data: {**data, "id": "swp_other"}), "callback.task", "create_swap"),
    "a webhook with another state": (tells(lambda data: {**data, "status": "failed"}), "callback.state", "create_swap"),
    "a webhook unlike the poll": (tells(lambda data: {**data, "error": "none", "output_url": 1}), "callback.schema", "create_swap"),
}  # fmt: skip


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_defect_is_found(name):
    make, finds, operation = DEFECTS[name]
    result = check_facely(make, parts=("flows",), strict=True)  # every fact of Facely is invented
    assert (finds, operation) in {(one.id, one.operation) for one in result.failing}
    assert result.exit_code == 1


def refuses(problem):
    """A defect in polls: all are refused with `problem`."""

    def make(contract):
        provider = REGISTRATION.make(contract)

        def refuse(call, engine):
            raise Problem(problem)

        return replace(provider, handlers={**provider.handlers, "get_swap": refuse})

    return make


def test_a_refusal_is_told_by_its_http_status():
    make = refuses("insufficient_credits")
    result = check_facely(make, parts=("flows",), flows=("refusal unknown swap",), strict=True)
    (finding,) = (one for one in result.failing if one.id == "refusal.expected")
    assert finding.expected == "HTTP status 404"
    assert finding.got.startswith("HTTP 402")


def test_a_token_that_is_refused_everywhere_judges_nobody():
    with pytest.raises(CannotRun, match="the credentials in FACELY_TOKEN are refused"):
        check_facely(refuses("key_disabled"), parts=("flows",), flows=("refusal unknown swap",))


def test_a_live_server_gets_the_bearer_token_and_no_report_shows_it():
    with emulator_with() as emulator, emulator.sandbox() as sandbox:
        token = sandbox.key("facely")
        given = {"provider": "facely", "parts": ("flows",), "flows": ("account", "refusal unknown swap"), "live": True}
        limits = {"max_credits": 0, "max_calls": 9, "rate": 1000.0}
        (result,) = check_target(emulator.url, {**given, **limits}, {"FACELY_TOKEN": token})
    assert result.exit_code == 0
    lines = [exchange.curl() for exchange in result.exchanges]
    assert all('"Authorization: Bearer $FACELY_TOKEN"' in line for line in lines)
    assert not any(token in line for line in lines)


def test_the_command_takes_its_name():
    with emulator_with() as emulator:
        done = CliRunner().invoke(check, [emulator.url, "--provider", "facely", "--parts", "flows"])
        unknown = CliRunner().invoke(check, [emulator.url, "--provider", "facly", "--parts", "flows"])
    assert done.exit_code == 0, done.output
    assert unknown.exit_code == 2


def test_a_folder_that_was_added_is_no_provider_of_every_emulator():
    with emulator_with():
        assert has_profile("facely")
        assert known() == ["crun", "imgopen"]


@pytest.mark.parametrize("name", ["crun", "imgopen", "facely"])
def test_a_profile_fits_its_contract(name):
    """Each kind of task names operations of the contract; where links lead from a submission to a poll, the id agrees."""
    with emulator_with():
        contract, facts = load(name), profile(name)
    assert contract.behaviour.credential_form is not None
    headers = {header.lower() for header in contract.behaviour.credential_form.headers}
    assert {one.header.lower() for one in facts.credentials} == headers
    for kind in facts.kinds.values():
        assert {*kind.submit, kind.poll} <= set(contract.operations)
        assert kind.asked_at(contract).place in ("query", "body", "path")
        links = [link for link in contract.poll_links if link.submission in kind.submit and link.poll == kind.poll]
        assert {link.id for link in links} <= {kind.id}
