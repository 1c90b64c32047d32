"""For each kind of tool, reads the facts of its task from the request. Answers and files are made from these facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from swapmock.mock_server.core.call import Call, Problem
from swapmock.mock_server.core.faces import FaceRef
from swapmock.mock_server.core.seeded import hexadecimal, integer
from swapmock.mock_server.providers.imgopen.tools import Tool
from swapmock.mock_server.providers.imgopen.wire import NAME
from swapmock.mock_server.providers.links import face_at
from swapmock.mock_server.providers.submission import faces_in

if TYPE_CHECKING:
    from swapmock.contracts import Behaviour
    from swapmock.mock_server.engine.engine import Engine

EXTENSION = ".png"


class Made(NamedTuple):
    """The facts of the task, and the scenario in which it must end (None: the queued or usual one)."""

    facts: dict[str, Any]
    fails: str | None = None


def faces(call: Call, engine: Engine, tool: Tool) -> Made:
    """Detect the faces of the picture at `imageUrl` in the body of `call`. Returns its URL and number of faces as
    facts."""
    url = call.body["imageUrl"]
    return Made({"url": url, "faces": faces_in(url, _behaviour(engine)), "extension": EXTENSION})


def swap(call: Call, engine: Engine, tool: Tool) -> Made:
    """Replace faces of the target by the first face of each source, as the body of `call` says. `tool` is not used."""
    body, behaviour = call.body, _behaviour(engine)
    sources = body["sourceUrl"] if isinstance(body["sourceUrl"], list) else [body["sourceUrl"]]
    target = body["targetUrl"]
    count = faces_in(target, behaviour)
    if count == 0 or any(faces_in(source, behaviour) == 0 for source in sources):
        return Made(_picture([]), "no_face")
    index = body.get("faceIdx") if call.operation == "face_fusion" else None
    if index is not None and index > count:
        if call.variants["index_out_of_range"] == "refuse":
            raise Problem("invalid", errors=[f"faceIdx should be from 1 to {count}: the target has no face {index}"])
        return Made(_picture([]), "index_out_of_range")
    places = _places(call, sources, count, index)
    return Made(
        _picture([face_at(call.box, engine, places[i]) if i in places else FaceRef(target, i) for i in range(count)])
    )


def _places(call: Call, sources: Sequence[str], count: int, index: int | None) -> Mapping[int, str]:
    """Return which face of the target (from 0) is replaced by which source; sources beyond the number of faces are
    not used."""
    if index is not None:
        if len(sources) > 1 and call.variants["index_with_two_sources"] == "refuse":
            raise Problem("invalid", errors=["faceIdx should not be given with two sources"])
        return {int(index) - 1: sources[0]}
    numbers = range(count)
    if call.variants["source_order"] == "right_to_left":
        numbers = numbers[::-1]
    return dict(zip(numbers, sources, strict=False))


#: The fields with the one picture that a tool works on.
PICTURE_FIELDS = ("image", "imageUrl", "sourceImage")


def pictures(call: Call, engine: Engine, tool: Tool) -> Made:
    """Make the requested number of pictures for `tool`: with the people in the source, else with faces derived from
    the request."""
    body, behaviour = call.body, _behaviour(engine)
    source = next((body[name] for name in PICTURE_FIELDS if isinstance(body.get(name), str)), None)
    count = tool.picture_count(body)
    if source is None:
        shown = [[FaceRef(hexadecimal(40, call.raw), number)] for number in range(count)]
    elif tool.faces:
        shown = [[face_at(call.box, engine, source)]] * count
    else:
        shown = [[FaceRef(source, number) for number in range(faces_in(source, behaviour))]] * count
    facts = _picture(shown[0])
    facts["more"] = [[EXTENSION, [list(face) for face in people]] for people in shown[1:]]
    if tool.kind == "sd":
        facts["seed"] = _seed(call)
    return Made(facts)


def _picture(people: Sequence[FaceRef]) -> dict[str, Any]:
    return {"faces": [list(face) for face in people], "extension": EXTENSION, "more": []}


def _seed(call: Call) -> int:
    """Return the seed of the first picture: the requested one, or a derived one."""
    try:
        asked = int(call.body.get("seed", -1))
    except ValueError:  # the form of a seed is a guess
        asked = -1
    return asked if 0 <= asked <= LARGEST_SEED else integer(0, 2**32 - 1, call.box.sandbox.seed, "picture", call.raw)


#: The words of captions, styles and expanded prompts.
SUBJECTS = (
    "a portrait of a person",
    "a close up of a person",
    "a painting of a person",
    "a drawing of a group of people",
)
DETAILS = ("with short hair", "with long hair", "with a hat", "with glasses", "with a smile", "in a striped shirt")
STYLES = ("watercolour", "oil painting", "pixel art", "line art", "photograph", "cartoon", "paper cut")
#: The largest seed that is used as it is.
LARGEST_SEED = 9_999_999_999

#: The most prompts that one task makes.
MOST_PROMPTS = 20

#: The number of characters of a prompt in each expanded prompt.
LONGEST_QUOTED = 2000

TOUCHES = ("highly detailed", "soft light", "sharp focus", "muted colours", "wide angle", "studio light", "film grain")


def caption(call: Call, engine: Engine, tool: Tool) -> Made:
    """Return a description of the picture at `image` in the body of `call`. The same URL always gives the same text."""
    url = call.body["image"]
    parts = (_pick(SUBJECTS, url, "subject"), _pick(DETAILS, url, "detail"), "and", _pick(DETAILS, url, "more"))
    return Made({"text": f"{' '.join(parts)}, {_pick(STYLES, url, 'style')}"})


def style(call: Call, engine: Engine, tool: Tool) -> Made:
    """Return the style of the picture at `sourceImage` in the body of `call`. The same URL always gives the same
    style."""
    return Made({"text": _pick(STYLES, call.body["sourceImage"], "style")})


def prompts(call: Call, engine: Engine, tool: Tool) -> Made:
    """Return `sequencesNum` expanded prompts (default 1) for the prompt in the body of `call`."""
    given = str(call.body.get("sourcePrompt", call.body.get("raw_prompt", "")))[:LONGEST_QUOTED] or "a picture"
    count = min(MOST_PROMPTS, max(1, int(call.body.get("sequencesNum", 1))))
    made = [f"{given}, {', '.join(_touches(given, number))}" for number in range(count)]
    return Made({"text": made})


def _touches(given: str, number: int) -> Sequence[str]:
    start = integer(0, len(TOUCHES) - 1, "touches", given, number)
    return [TOUCHES[(start + step) % len(TOUCHES)] for step in range(3)]


def _pick(words: Sequence[str], *parts: object) -> str:
    return words[integer(0, len(words) - 1, *parts)]


def nothing(call: Call, engine: Engine, tool: Tool) -> Made:
    """Return no facts: the result of the tool needs none."""
    return Made({})


def _behaviour(engine: Engine) -> Behaviour:
    return engine.contracts[NAME].behaviour


#: Column `makes` of tools.yaml -> the function.
MAKERS: Mapping[str, Callable[[Call, Any, Tool], Made]] = {
    "faces": faces,
    "swap": swap,
    "pictures": pictures,
    "caption": caption,
    "style": style,
    "prompts": prompts,
    "nothing": nothing,
}
