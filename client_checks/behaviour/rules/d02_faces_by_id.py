"""D2: faces are named by the `face_id` of the result, not by position."""

from collections.abc import Mapping
from typing import Any

from swapmock.client_checks.behaviour.model import Exchange, Findings, Level, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.rule import Rule
from swapmock.client_checks.behaviour.rules.d01_same_media import detect_id


def judge(case: Observations) -> Findings:
    """Judge whether swaps name faces by the ids in the detection's result."""
    exchanges_faces = case.plain is not None and any(mixed_in(*pair) for pair in swaps_with_results(case.plain))
    for swap, poll in swaps_with_results(case):
        links = {str(face["id"]): face["link"] for face in faces_of(poll)}
        owner = {link: face for face, link in links.items()}
        chosen = [face for face in swap.body["input"].get("faces", []) if isinstance(face, Mapping)]
        unknown = [face.get("face_id") for face in chosen if str(face.get("face_id")) not in links]
        mixed = [] if exchanges_faces else mixed_in(swap, poll)
        reused = [face for face in chosen if face.get("target") in owner]
        if unknown:
            yield broken(f"face_id {unknown[0]!r} is none of the detected {sorted(links)}", poll, swap)
        elif mixed:
            yield broken(
                f"face {mixed[0]['face_id']} is to keep the link of face {owner[mixed[0]['target']]}", poll, swap
            )
        elif reused and not exchanges_faces and list(links) != sorted(links):
            yield kept("each link stands with its own face_id, in another order, too", poll, swap)


def mixed_in(swap: Exchange, poll: Exchange) -> list[Mapping[str, Any]]:
    """Return the faces of a swap whose target is the detected link of another face.

    A client may want that: then it does so in the plain case, too."""
    owner = {face["link"]: str(face["id"]) for face in faces_of(poll)}
    chosen = [face for face in swap.body["input"].get("faces", []) if isinstance(face, Mapping)]
    return [
        face for face in chosen if owner.get(face.get("target"), str(face.get("face_id"))) != str(face.get("face_id"))
    ]


def swaps_with_results(case: Observations) -> list[tuple[Exchange, Exchange]]:
    """Return each swap with the detection result that it uses."""
    results = {detect_id(one): one for one in case.of(Role.DETECT_POLL) if detect_id(one)}
    found = []
    for swap in case.of(Role.CREATE):
        given = swap.body.get("input") if isinstance(swap.body, Mapping) else None
        if isinstance(given, Mapping) and given.get("detect_id") in results and isinstance(given.get("faces"), list):
            found.append((swap, results[given["detect_id"]]))
    return found


def faces_of(poll: Exchange) -> list[Mapping[str, Any]]:
    """Return the faces of a detection result, in its order."""
    found: list[Mapping[str, Any]] = poll.answer["data"]["result"].get("faces") or []
    return found


RULE = Rule(
    id="D2",
    title="names faces by the `face_id` of the result, not by position",
    levels={"crun": Level.MUST},
    sources={"crun": "seed 003: face_id is the ID of the face from detection results"},
    looks_at="the faces of a swap compared with the result of its detection, whose order is changed",
    good="pass `id` and `link` of each detected face together to the swap",
    bad="d2_counts_faces_by_position",
    judge=judge,
)
