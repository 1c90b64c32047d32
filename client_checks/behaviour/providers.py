"""How each provider's requests and answers read: what a request is for and what its answer says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from swapmock import contracts
from swapmock.client_checks.behaviour.model import Meaning, Role


@dataclass(frozen=True)
class Provider:
    """The reading rules of one provider; all but the tables of `contracts` is here.

    `ids` are the names under which answers give a task's id and requests ask for one; `caller_ids` those of the caller's
    own id. `states` maps a status word to its meaning; `media` names the members that hold links of results.
    `refusals_without_effect` are the codes after which no task exists. `retryable` are the codes worth another try.
    """

    name: str
    roles: Mapping[str, Role]
    success: tuple[Any, ...]
    ids: tuple[str, ...]
    caller_ids: tuple[str, ...]
    media: tuple[str, ...]
    refusals_without_effect: frozenset[str]
    secret_headers: frozenset[str]
    callback_fields: tuple[str, ...]
    kinds: tuple[str, ...]

    @property
    def contract(self) -> contracts.Contract:
        return loaded(self.name)

    def find(self, method: str, target: str) -> tuple[str, Role]:
        """The operationId and role of a request, ("", OTHER) for one that the contract does not know."""
        path = unquote(urlsplit(target).path)
        found = self.contract.find(method, path)
        if found is None:
            is_media = any(path.startswith(prefix) for prefix in ("/media/", "/u/", "/Output-Img2/"))
            return ("media", Role.MEDIA) if is_media and method in ("GET", "HEAD") else ("", Role.OTHER)
        operation = found[0].id
        if operation.startswith("get_media") or operation in ("download", "get_file"):
            return operation, Role.MEDIA
        role = self.roles.get(operation, Role.OTHER)
        tool = found[1].get("toolCode", "")
        return operation, Role.DETECT_POLL if role is Role.POLL and tool == "face/detection" else role

    def operations(self, role: Role) -> list[str]:
        """The operationIds of one role."""
        return [name for name, one in self.roles.items() if one is role]

    def code(self, answer: Any) -> str:
        """The body code of an answer as text, "" where there is none."""
        code = answer.get("code") if isinstance(answer, Mapping) else None
        return "" if code is None or isinstance(code, dict | list | bool) else str(code)

    def meaning(
        self, role: Role, operation: str, target: str, status: int | None, answer: Any, delivered: str
    ) -> Meaning:
        """What an answer says to a client that reads it as the documents tell it to."""
        if role in (Role.MEDIA, Role.UPLOAD):
            if status is None or delivered != "whole":
                return Meaning.AMBIGUOUS
            return Meaning.READ if status < 400 else Meaning.REFUSED
        if status is None or delivered != "whole" or not isinstance(answer, Mapping):
            return Meaning.AMBIGUOUS
        code = self.code(answer)
        if code not in {str(one) for one in self.success}:
            doubtful = code not in self.refusals_without_effect and (code[:1] == "5" or not code)
            return Meaning.AMBIGUOUS if doubtful and role in (Role.CREATE, Role.DETECT) else Meaning.REFUSED
        if role is Role.OTHER or role in (Role.BALANCE, Role.PRICE, Role.UPLOAD_LINK):
            return Meaning.READ
        if status >= 400:
            return Meaning.REFUSED
        state = self.state(operation, target, answer)
        if role in (Role.POLL, Role.DETECT_POLL):
            return state or Meaning.READ
        is_result = state is Meaning.SUCCEEDED and bool(self.links(answer))
        return Meaning.SUCCEEDED if is_result else Meaning.ACCEPTED

    def state(self, operation: str, target: str, answer: Any) -> Meaning | None:
        """What the status word of an answer says; None where it has none."""
        data = answer.get("data") if isinstance(answer, Mapping) else None
        word = data.get("status") if isinstance(data, Mapping) else None
        if word is None:
            return None
        words = self._words(operation, target)
        return words.get(str(word), Meaning.UNKNOWN)

    def _words(self, operation: str, target: str) -> Mapping[str, Meaning]:
        rows = self.contract.behaviour.status_words
        if self.name == "crun":
            row = rows["detection" if self.roles.get(operation) in (Role.DETECT, Role.DETECT_POLL) else "task"]
            return _meanings(row)
        found = self.contract.find("POST", unquote(urlsplit(target).path))
        code = found[1].get("toolCode", "") if found is not None else ""
        tools = self.contract.tables["tools"]["tools"]
        tool = next((one for one in tools if one["operation"] == operation or (code and one["code"] == code)), None)
        return _meanings(rows[tool["numbers"] if tool else "two"])

    def links(self, answer: Any) -> list[str]:
        """The links of results in an answer."""
        return [link for link in _found(answer, self.media) if link.startswith(("http://", "https://"))]

    def task_named(self, method: str, target: str, body: Any) -> str | None:
        """The task that a poll asks for, as the request names it."""
        query = parse_qs(urlsplit(target).query)
        for name in self.ids + self.caller_ids:
            if query.get(name):
                return query[name][0]
        return next(iter(_found(body, self.ids + self.caller_ids)), None) if method == "POST" else None

    def task_given(self, answer: Any) -> str | None:
        """The task id that the answer to a submission gives."""
        return next(iter(_found(answer, self.ids)), None)

    def caller_id(self, body: Any) -> str | None:
        """The caller's own id in a submission."""
        return next(iter(_found(body, self.caller_ids)), None)


def _meanings(row: Mapping[str, Any]) -> dict[str, Meaning]:
    phases = {
        "queued": Meaning.RUNNING,
        "running": Meaning.RUNNING,
        "succeeded": Meaning.SUCCEEDED,
        "failed": Meaning.FAILED,
    }
    return {str(word): phases[phase] for phase, word in row.items() if phase in phases}


def _found(value: Any, names: tuple[str, ...]) -> Iterator[str]:
    """The texts under members of these names, anywhere in a document."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name in names:
                yield from (
                    str(one) for one in (item if isinstance(item, list) else [item]) if isinstance(one, str | int)
                )
            else:
                yield from _found(item, names)
    elif isinstance(value, list):
        for item in value:
            yield from _found(item, names)


@cache
def loaded(name: str) -> contracts.Contract:
    return contracts.load(name)


CRUN = Provider(
    name="crun",
    roles={
        "create_task": Role.CREATE,
        "detect_face_image": Role.DETECT,
        "detect_face_video": Role.DETECT,
        "get_detect_face_result": Role.DETECT_POLL,
        "get_task_info": Role.POLL,
        "get_account_balance": Role.BALANCE,
        "estimate_credits": Role.PRICE,
        "estimate_task": Role.PRICE,
        "get_upload_url": Role.UPLOAD_LINK,
        "put_upload": Role.UPLOAD,
    },
    success=(200,),
    ids=("task_id", "detect_task_id"),
    caller_ids=(),
    media=("media_urls",),
    refusals_without_effect=frozenset({"401", "402", "403", "404", "422", "429", "451", "455", "505"}),
    secret_headers=frozenset({"x-api-key", "authorization"}),
    callback_fields=("callback_url",),
    kinds=("task",),
)

_OPEN_TOOLS = (
    *(
        "face_fusion",
        "roop",
        "roop_v2",
        "instant_id",
        "interrogate",
        "flux_text2image",
        "expand_prompts",
        "identify_style",
    ),
    *("img_expand", "cnt_preview", "hair_change", "sd_prompts", "sd_text2image", "sd_image2image", "sd_controlnet"),
    *("sd_text2image_v3", "sd_image2image_v3", "submit_training"),
)

IMGOPEN = Provider(
    name="imgopen",
    roles={
        **dict.fromkeys(_OPEN_TOOLS, Role.CREATE),
        "face_detection": Role.DETECT,
        "query_task_info_v1": Role.POLL,
        "query_task_info_v2": Role.POLL,
        "query_image_tool_task_info": Role.POLL,
    },
    success=("200",),
    ids=("taskId", "task_id", "taskIds"),
    caller_ids=("businessTaskId", "id_task", "business_task_id"),
    media=("outputImageUrl", "outputImageUrls", "faceUrls", "images", "imageUrls"),
    refusals_without_effect=frozenset({"400", "401", "402", "403", "404", "409", "429", "503", "1001", "1002", "1003"}),
    secret_headers=frozenset({"x-request-req-accesskeyid", "x-request-req-accesskeysecret"}),
    callback_fields=("callbackUrl",),
    kinds=("tool", "sd", "training"),
)

PROVIDERS: Mapping[str, Provider] = {"crun": CRUN, "imgopen": IMGOPEN}


def provider_of(target: str) -> Provider | None:
    """The provider under whose prefix a request goes."""
    path = urlsplit(target).path
    return next((one for one in PROVIDERS.values() if path.startswith(f"{one.contract.behaviour.prefix}/")), None)


def parsed(body: bytes) -> Any:
    """A body as JSON, None if it is none."""
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None
