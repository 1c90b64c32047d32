"""D3: a face that is not replaced is sent with the link of its detected picture."""

from swapmock.client_checks.behaviour.model import Findings, Level, Observations, broken, kept
from swapmock.client_checks.behaviour.rule import Rule
from swapmock.client_checks.behaviour.rules.d02_faces_by_id import faces_of, swaps_with_results


def judge(case: Observations) -> Findings:
    """Judge whether every detected face is in the swap."""
    for swap, poll in swaps_with_results(case):
        detected = {face["id"] for face in faces_of(poll)}
        given = {face.get("face_id") for face in swap.body["input"]["faces"] if isinstance(face, dict)}
        if not detected or len(detected) == 1:
            continue
        left_out = sorted(detected - given)
        if left_out:
            yield broken(f"faces {left_out} are left out of the swap", poll, swap)
        else:
            yield kept("every detected face is in the swap", poll, swap)


RULE = Rule(
    id="D3",
    title="sends faces that are not replaced with their detected link",
    levels={"crun": Level.SHOULD},
    sources={
        "crun": "seed 003: keep the detected face image URL if you do not want to replace it; whether faces may be left out is not documented"
    },
    looks_at="the faces of a swap compared with those of its detection",
    good="send every detected face; a face that is not replaced has its own link as target",
    bad="d3_leaves_faces_out",
    judge=judge,
)
