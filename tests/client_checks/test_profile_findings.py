"""What is wrong with a profile is told at once, with the most similar name."""

import copy

import pytest

from swapmock.client_checks.conformance import profile_findings as module
from swapmock.client_checks.conformance.profile import FOLDER
from swapmock.client_checks.conformance.profile_findings import check_profile, profile_findings
from swapmock.client_checks.conformance.target import CannotRun
from swapmock.contracts import add_folder, load, read, read_yaml
from tests.third_provider.facely import REGISTRATION

FACELY = read("facely", REGISTRATION.folder)


@pytest.mark.parametrize("name", ["crun", "imgopen", "facely"])
def test_the_profiles_of_the_known_providers_are_right(name):
    contract = FACELY if name == "facely" else load(name)
    document = FACELY.tables["profile"] if name == "facely" else read_yaml(FOLDER / f"{name}.yaml")
    assert list(profile_findings(contract, document)) == []


def in_kind(**members):
    return lambda document: document["kinds"][0].update(members)


def in_refusal(**members):
    return lambda document: document["refusals"][3].update(members)


CASES = [
    (lambda d: d.pop("flows"), ["no `flows`"]),
    (lambda d: d.pop("values"), ["no `values`", "values: no `live`: the values of $names", "values: no `emulator`: the values of $names"]),
    (lambda d: d.update(wrong_methd=404), ["unknown member wrong_methd; did you mean wrong_method?"]),
    (in_kind(stat="/status"), ["kinds: swap: unknown member stat; did you mean state?"]),
    (lambda d: d["kinds"][0].pop("state"), ["kinds: swap: no `state`"]),
    (in_kind(submit=["create_swp"]), ["kinds: swap: submit: no operation 'create_swp'; did you mean create_swap?"]),
    (in_kind(poll="get_account"), ["kinds: swap: openapi.yaml has no link to get_account that says where it names its task"]),
    (in_kind(words="swop"), ["kinds: swap: words: no row of status_words 'swop'; did you mean swap?"]),
    (in_refusal(call="get_swp"), ["refusals: unknown swap: call: no operation 'get_swp'; did you mean get_swap?"]),
    (in_refusal(refused="swap_missing"), ["refusals: unknown swap: refused: no refusal 'swap_missing'"]),
    (lambda d: d.update(every_operation=["no tokn"]), ["every_operation: no row of refusals 'no tokn'; did you mean no token?"]),
    (lambda d: d.update(lists={"list_swap": {}}), ["lists: no operation 'list_swap'; did you mean list_swaps?"]),
    (lambda d: d["flows"][0]["steps"][0].update(call="create"), ["flows: 0/steps/0/call: no operation is named 'create'"]),
    (lambda d: d["flows"][0]["steps"][1].update(poll="swop"), ["flows: 0/steps/1/poll: no kind of task is named 'swop'"]),
    (lambda d: d["credentials"][0].pop("env"), ["credentials: Authorization: no `env`"]),
]  # fmt: skip


@pytest.mark.parametrize(("change", "starts"), CASES, ids=[starts[0] for _, starts in CASES])
def test_a_mistake_is_told(change, starts):
    document = copy.deepcopy(FACELY.tables["profile"])
    change(document)
    found = list(profile_findings(FACELY, document))
    assert len(found) == len(starts)
    assert [line.startswith(start) for line, start in zip(sorted(found), sorted(starts), strict=True)] == [True] * len(
        found
    )


def test_a_run_is_refused_with_all_mistakes_or_for_lack_of_a_profile(monkeypatch):
    document = copy.deepcopy(dict(FACELY.tables["profile"]), {})
    document["wrong_methd"] = 1
    document["odd"] = 2
    tables = {"profile": document}
    add_folder("facely", REGISTRATION.folder)
    monkeypatch.setattr(module, "load", lambda _: type("C", (), {"tables": tables, "folder": REGISTRATION.folder}))
    with pytest.raises(
        CannotRun, match=r"profile.yaml is wrong: \(1\) unknown member wrong_methd.* \(2\) unknown member odd"
    ):
        check_profile("facely")
    monkeypatch.setattr(module, "has_profile", lambda _: False)
    with pytest.raises(CannotRun, match=r"facely has no .*profile.yaml"):
        check_profile("facely")
    with pytest.raises(CannotRun, match="'facly' is none of crun, imgopen"):
        check_profile("facly")
