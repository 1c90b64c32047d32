"""D5: if there is no face, or more faces than expected, no paid swap is sent."""

from collections.abc import Mapping

from swapmock.client_checks.behaviour.model import Exchange, Findings, Meaning, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.rule import MUST, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client pays for a swap without a usable face."""
    if not any("faces.invalid" in link for link in case.condition.inputs.values()):
        return
    for one in case.of(Role.DETECT, Role.DETECT_POLL):
        count = _faces(one)
        is_none = one.meaning is Meaning.FAILED or count == 0 or (one.role is Role.DETECT and one.refusal == "1001")
        too_many = case.declaration.faces is not None and count is not None and count > case.declaration.faces
        if not (is_none or too_many):
            continue
        swaps = [swap for swap in case.of(Role.CREATE, run=one.run) if swap.number > one.number]
        paid = [task for swap in swaps if (task := case.task(swap.task)) is not None]
        what = "no face was found" if is_none else f"{count} faces were found, {case.declaration.faces} expected"
        if paid:
            yield broken(
                f"{what}, and a swap was submitted",
                one,
                swaps[0],
                losses={"credits_paid_twice": sum(task.captured for task in paid)},
            )
        elif swaps and is_none:
            yield broken(f"{what}, and a swap was submitted", one, swaps[0])
        else:
            yield kept(f"{what}, and no swap was submitted", one)
        return


def _faces(one: Exchange) -> int | None:
    data = one.answer.get("data") if isinstance(one.answer, Mapping) else None
    if not isinstance(data, Mapping) or (one.meaning is not Meaning.SUCCEEDED and one.meaning is not Meaning.ACCEPTED):
        return None
    result = data.get("result")
    faces = result.get("faces") if isinstance(result, Mapping) else data.get("faceUrls")
    return len(faces) if isinstance(faces, list) else None


RULE = Rule(
    id="D5",
    title="sends no paid swap if there is no face, or more faces than expected",
    levels=MUST,
    sources={
        "crun": "follows from the price of a swap; the detection tells the faces (seed 001)",
        "imgopen": "follows from the price of a swap; the detection tells the faces (seed 004)",
    },
    looks_at="detections without a face, or with more than the declared number, and paid submissions afterwards",
    good="check the number of faces before any paid call",
    bad="d5_swaps_without_a_face",
    judge=judge,
)
