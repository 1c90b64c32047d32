"""The recording: every exchange as one line, with what cannot be the same twice masked, and what was covered counted."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import yaml

from swapmock.contracts.common import merge
from tests.corpus.receiver import Receiver, taken_apart
from tests.corpus.wire import Answer, Request, Wire

JSON_TYPE = ("Content-Type", "application/json")

#: Where every frozen clock starts.
START = "2026-03-01T00:00:00Z"

#: The seed of every sandbox.
SEED = 7

PROVIDERS = ("crun", "imgopen")


def _behaviour(folder: Path, provider: str) -> Any:
    """The rows of a provider, whole: an older checkout has them all in its own file, a newer one shares some."""
    own, common = _load(folder / provider / "behaviour.yaml"), folder / "common.yaml"
    return merge(_load(common), own) if common.is_file() else own


class Contracts:
    """The YAML files of a checkout: what there is to be walked through, and which operations there are."""

    def __init__(self, folder: Path) -> None:
        self.apis = {name: _load(folder / name / "openapi.yaml") for name in (*PROVIDERS, "admin")}
        self.behaviours = {name: _behaviour(folder, name) for name in PROVIDERS}
        self.models = _load(folder / "crun" / "models.yaml")["models"]
        self.tools = {row["operation"]: row for row in _load(folder / "imgopen" / "tools.yaml")["tools"]}
        self.operations = {name: list(_operations(api)) for name, api in self.apis.items()}

    def resolve(self, provider: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """A schema without its `$ref`; what stands beside it wins."""
        while "$ref" in schema:
            found: Any = self.apis[provider]
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = {**found, **{name: value for name, value in schema.items() if name != "$ref"}}
        return schema

    def request_schema(self, provider: str, operation: str) -> Mapping[str, Any]:
        for _, _, name, row in self.operations[provider]:
            if name == operation:
                return self.resolve(provider, row["requestBody"]["content"]["application/json"]["schema"])
        raise KeyError(operation)

    def operation_of(self, method: str, path: str) -> str:
        """`provider.operationId` of the first operation that a request meets, "" if it meets none."""
        path = path.partition("?")[0]
        for provider, rows in self.operations.items():
            exact = [row for row in rows if row[0] == method and row[1].fullmatch(path)]
            if exact:
                return f"{provider}.{exact[0][2]}"
        return ""


def _load(path: Path) -> Any:
    return yaml.load(path.read_text("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _operations(api: Mapping[str, Any]) -> Iterator[tuple[str, re.Pattern[str], str, Any]]:
    """`(method, pattern of the path, operationId, row)`, paths without parameters first."""
    for path in sorted(api["paths"], key=lambda path: ("{" in path, path)):
        item = api["paths"][path]
        for method, row in item.items():
            if method in ("get", "post", "put", "patch", "delete"):
                spans = "x-spans-slashes" in json.dumps([item.get("parameters"), row.get("parameters")])
                spans = spans or "{toolCode}" in path
                part = "(.+)" if spans else "([^/]+)"
                yield method.upper(), re.compile(re.sub(r"\\\{.*?\\\}", part, re.escape(path))), row["operationId"], row


class Book:
    """Asks, and writes down what was asked and answered. Step names are made unique by a number."""

    def __init__(self, out: IO[str], wire: Wire, receiver: Receiver, contracts: Contracts) -> None:
        self.wire, self.receiver, self.contracts = wire, receiver, contracts
        self.count = 0
        self.succeeded: set[str] = set()
        self.codes: set[str] = set()
        self._out = out
        self._names: Counter[str] = Counter()

    def ask(
        self,
        step: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        fresh: bool = False,
        held: float = 0.0,
    ) -> Answer:
        """`body`: bytes go as they are, other values as JSON. `held`: seconds that the answer should take at least."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
            headers = (JSON_TYPE, *headers)
        request = Request(method, path, headers, body)
        began = time.monotonic()
        answer = self.wire.ask(request, fresh=fresh or held > 0)
        record = {"request": self._request(request), "answer": self._answer(request.path, answer)}
        if held:
            record["answer"]["held"] = time.monotonic() - began >= held
        self._cover(method, path, answer)
        self._write(step, record)
        return answer

    def raw(self, step: str, raw: bytes, count: int = 1) -> None:
        """Bytes that no client library would send."""
        answers = self.wire.send_raw(raw, count)
        shown = self._body(raw if len(raw) < 4096 else raw[:300] + b"...", "")
        self._write(step, {"request": {"raw": shown}, "answers": [self._answer("", item) for item in answers]})

    def received(self, step: str) -> int:
        """Write down what the receiver got. Requests that came at the same moment are put in the order of their bytes."""
        got = self.receiver.got()
        concurrent = "concurrent" in step  # two connections at once: either may be first, on purpose
        for raw in sorted(got) if concurrent else got:
            line, headers, body = taken_apart(raw)
            shown = [[name, self._masked(value)] for name, value in headers]
            self._write(
                step, {"received": {"line": self._masked(line), "headers": shown, "body": self._body(body, "")}}
            )
        if not got:
            self._write(step, {"received": None})
        return len(got)

    def note(self, step: str, value: Any) -> None:
        self._write(step, {"note": value})

    # --- what a record holds

    def _request(self, request: Request) -> dict[str, Any]:
        headers = [[name, self._masked(value)] for name, value in request.headers]
        kind = next((value for name, value in request.headers if name.lower() == "content-type"), "")
        body = None if request.body is None else self._body(request.body, kind)
        return {"method": request.method, "path": self._masked(request.path), "headers": headers, "body": body}

    def _answer(self, path: str, answer: Answer) -> dict[str, Any]:
        body = self._body(answer.body, answer.header("content-type"))
        masked_length = False
        if isinstance(body, str):
            body, masked_length = _unsteady(path, body)
        headers = [[name, _header(name, value, masked_length)] for name, value in answer.headers]
        return {
            "status_line": answer.status_line,
            "headers": [[name, self._masked(value)] for name, value in headers],
            "body": body,
            "end": answer.end,
        }

    def _body(self, body: bytes, kind: str) -> Any:
        """Text as text; media by digest and length, other bytes too."""
        try:
            text = body.decode() if kind.partition("/")[0] not in ("image", "video", "audio") else None
        except UnicodeDecodeError:
            text = None
        if text is None or len(text) > 2_000_000:
            return {"sha256": hashlib.sha256(body).hexdigest(), "length": len(body)}
        return self._masked(text)

    def _masked(self, text: str) -> str:
        """The receiver's port, and the server's own, which stands in links only where a request names no host that is one."""
        return text.replace(f":{self.receiver.port}", ":{receiver}").replace(f":{self.wire.address[1]}", ":{server}")

    def _cover(self, method: str, path: str, answer: Answer) -> None:
        name = self.contracts.operation_of(method, path)
        if not name or answer.status == 0:
            return
        code: Any = answer.status
        if not name.startswith("admin.") and not name.endswith("put_upload"):
            try:
                code = json.loads(answer.body).get("code")
            except (ValueError, AttributeError):
                return
        if str(code) in ("200", "201"):
            self.succeeded.add(name)
        if not name.startswith("admin."):
            self.codes.add(f"{name.partition('.')[0]}.{code}")

    def _write(self, step: str, record: dict[str, Any]) -> None:
        self._names[step] += 1
        if self._names[step] > 1:
            step = f"{step}#{self._names[step]}"
        self.count += 1
        json.dump({"step": step, **record}, self._out, ensure_ascii=False, separators=(",", ":"))
        self._out.write("\n")


def _header(name: str, value: str, masked_length: bool) -> str:
    if name.lower() == "date":  # the real time
        return "{date}"
    if name.lower() == "allow":  # a set of words, whose order differs from process to process
        return ", ".join(sorted(value.split(", ")))
    return "{length}" if masked_length and name.lower() == "content-length" else value


def _unsteady(path: str, body: str) -> tuple[str, bool]:
    """Real time within bodies, masked where it stands, and whether that may change the length."""
    if path.endswith("/wait"):  # real seconds, to the millisecond
        return _counted(r'"waited":[0-9.e-]+', '"waited":"{seconds}"', body)
    if path.endswith("/__admin/metrics"):  # how long answers took; how many there were stays
        return _counted(r"(?m)^(swapmock_request_seconds_(?:bucket|sum)\{[^}]*\}) .*$", r"\1 {time}", body)
    if re.search(r'"mode":"(?:scaled|real)"', body):  # a clock that runs
        return _counted(r'"now(_iso)?":("[^"]*"|[0-9.e+]+)', r'"now\1":"{running}"', body)
    if path.startswith("/__admin"):  # a sandbox lives by real time, whatever its clock does; files live by its clock
        own = r'"expires_at":[0-9.e+]+(?=,"(?:evidence_header|start)")'
        return _counted(own, '"expires_at":"{real time}"', body)
    return body, False


def _counted(pattern: str, by: str, body: str) -> tuple[str, bool]:
    body, count = re.subn(pattern, by, body)
    return body, count > 0
