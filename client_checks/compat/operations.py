"""Compares the operations of two versions of a contract, matched by method and path: what is sent over the wire."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from swapmock.client_checks.compat.change import Change, Party
from swapmock.client_checks.compat.schemas import Comparison
from swapmock.client_checks.compat.shape import METHODS
from swapmock.client_checks.compat.source import Version


@dataclass(frozen=True)
class Endpoint:
    """One operation of one version. `name` is its operationId, which clients do not send."""

    name: str
    method: str
    path: str
    spec: Mapping[str, Any]


def endpoints(version: Version) -> dict[str, Endpoint]:
    """Return every operation by its method and path, without the names of path parameters."""
    found: dict[str, Endpoint] = {}
    for path, given in version.document["paths"].items():
        item = version.resolve(given)
        for method in METHODS:
            if method in item:
                own = {(one.get("in"), one.get("name")): one for one in item[method].get("parameters", ())}
                shared = [one for one in item.get("parameters", ()) if (one.get("in"), one.get("name")) not in own]
                parameters = [*shared, *item[method].get("parameters", ())]
                servers = item[method].get("servers", item.get("servers"))
                spec = {**item[method], "parameters": parameters, "servers": servers}
                key = f"{method} {re.sub('{[^}]*}', '{}', path)}"
                found[key] = Endpoint(str(spec.get("operationId", f"{method} {path}")), method.upper(), path, spec)
    return found


def operation_changes(old: Version, new: Version) -> Iterator[Change]:
    """Yield every change of an operation that a client can notice."""
    before, after = endpoints(old), endpoints(new)
    comparison = Comparison(old, new)
    names_now = {one.name: one for one in after.values()}
    names_before = {one.name for one in before.values()}
    for key, was in before.items():
        if key not in after:
            moved = names_now.get(was.name)
            where = f"became {moved.method} {moved.path}" if moved else "is gone"
            yield Change("paths", was.name, f"{was.method} {was.path} {where}", Party.WRITER)
    for key, now in after.items():
        if key not in before:
            if now.name not in names_before:
                yield Change("paths", now.name, f"{now.method} {now.path} is new")
            continue
        was = before[key]
        if was.name != now.name:
            yield Change("names", now.name, f"operationId {was.name} became {now.name}: nothing changes on the wire")
        yield from _security(old, new, now.name, was.spec, now.spec)
        yield from _place(now.name, was.spec, now.spec)
        if bool(was.spec.get("deprecated")) != bool(now.spec.get("deprecated")):
            what = "deprecated now" if now.spec.get("deprecated") else "no longer deprecated"
            yield Change("deprecation", now.name, what)
        yield from _parameters(old, new, comparison, now.name, was.spec, now.spec)
        yield from _request(old, new, comparison, now.name, was.spec, now.spec)
        yield from _answers(old, new, comparison, now.name, was.spec, now.spec)
        yield from _callbacks(old, new, comparison, now.name, was.spec, now.spec)
    yield from _servers(old, new)


def _place(name: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    """Yield changes of an operation's own servers, of what it costs and of its links."""
    urls = [[str(one.get("url")) for one in spec.get("servers") or ()] for spec in (was, now)]
    if urls[0] != urls[1]:
        what = f"its servers {', '.join(urls[0]) or 'none'} became {', '.join(urls[1]) or 'none'}"
        yield Change("servers", name, what, None if urls[1] and set(urls[0]) <= set(urls[1]) else Party.WRITER)
    if was.get("x-cost") != now.get("x-cost"):
        what = f"x-cost {was.get('x-cost', 'none')} became {now.get('x-cost', 'none')}"
        yield Change("prices", name, what, None if now.get("x-cost") == "free" else Party.WRITER)


def _links(old: Version, new: Version, place: str, was: Any, now: Any) -> Iterator[Change]:
    """Yield changes of the links of an answer: nothing of them is sent over the wire."""
    before, after = (
        {name: version.resolve(link) for name, link in (version.resolve(answer).get("links") or {}).items()}
        for version, answer in ((old, was), (new, now))
    )
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield Change("links", f"{place} {name}", "link changed: nothing changes on the wire")


def _servers(old: Version, new: Version) -> Iterator[Change]:
    before, after = ([str(one.get("url")) for one in side.document.get("servers", ())] for side in (old, new))
    for url in before:
        if url not in after:
            yield Change("servers", url, "server is gone", Party.WRITER)
    for url in after:
        if url not in before:
            yield Change("servers", url, "server is new")
    if set(before) == set(after) and before != after and before[:1] != after[:1]:
        yield Change("servers", after[0], f"is the first server now, it was {before[0]}", Party.WRITER)


def _demands(version: Version, spec: Mapping[str, Any]) -> list[frozenset[tuple[Any, ...]]]:
    """Return what an operation accepts as credentials: alternatives, each a set of schemes as sent over the wire."""
    schemes = version.document.get("components", {}).get("securitySchemes", {})
    wanted = spec.get("security", version.document.get("security", []))
    found = []
    for alternative in wanted:
        resolved = [version.resolve(schemes.get(name, {"type": name})) for name in alternative]
        found.append(
            frozenset(
                tuple(
                    str(one.get(key))
                    for key in ("type", "in", "name", "scheme", "bearerFormat", "flows", "openIdConnectUrl")
                )
                for one in resolved
            )
        )
    return found


def _security(
    old: Version, new: Version, name: str, was: Mapping[str, Any], now: Mapping[str, Any]
) -> Iterator[Change]:
    before, after = _demands(old, was), _demands(new, now)
    if set(before) == set(after):
        return
    what = f"credentials {_schemes(before)} became {_schemes(after)}"
    # Credentials that were accepted before are still accepted if they are still an alternative, or if none are needed.
    is_wider = not after or frozenset() in after or (bool(before) and set(before) <= set(after))
    yield Change("auth", name, what, None if is_wider else Party.WRITER)


def _schemes(alternatives: list[frozenset[tuple[Any, ...]]]) -> str:
    told = [
        " and ".join(sorted(" ".join(part for part in one if part != "None") for one in some)) for some in alternatives
    ]
    return " or ".join(one or "none" for one in told) or "none"


def _parameters(
    old: Version, new: Version, comparison: Comparison, name: str, was: Mapping[str, Any], spec: Mapping[str, Any]
) -> Iterator[Change]:
    before, after = _known_parameters(old, was), _known_parameters(new, spec)
    for key in before.keys() - after.keys():
        yield Change("fields", f"{name} {' '.join(key)}", "parameter is gone", Party.WRITER)
    for key, parameter in after.items():
        place = f"{name} {' '.join(key)}"
        if key not in before:
            needed = bool(parameter.get("required"))
            what = f"{'required' if needed else 'optional'} parameter is new"
            yield Change("fields", place, what, Party.WRITER if needed else None)
            continue
        if bool(before[key].get("required")) != bool(parameter.get("required")):
            needed = bool(parameter.get("required"))
            what = f"parameter is {'required' if needed else 'optional'} now"
            yield Change("fields", place, what, Party.WRITER if needed else None)
        if bool(before[key].get("deprecated")) != bool(parameter.get("deprecated")):
            yield Change(
                "deprecation", place, "deprecated now" if parameter.get("deprecated") else "no longer deprecated"
            )
        for word in ("style", "explode", "allowReserved", "allowEmptyValue"):
            if before[key].get(word) != parameter.get(word):
                what = f"{word} {before[key].get(word)} became {parameter.get(word)}"
                yield Change("fields", place, what, Party.WRITER)
        yield from comparison.compare(before[key].get("schema", {}), parameter.get("schema", {}), place, Party.WRITER)
        contents = [one.get("content", {}) for one in (before[key], parameter)]
        yield from _media_types(comparison, contents[0], contents[1], place, Party.WRITER)


def _known_parameters(version: Version, spec: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return the parameters of an operation by place and name. One whose reference leads nowhere is reported
    elsewhere."""
    found = map(version.resolve, spec["parameters"])
    return {(str(one["in"]), str(one["name"])): one for one in found if "in" in one and "name" in one}


def _content(version: Version, holder: Any) -> Any:
    """Return the JSON schema of a request body or an answer; None without one."""
    content = (version.resolve(holder or {}) or {}).get("content", {})
    return content.get("application/json", {}).get("schema")


def _request(
    old: Version, new: Version, comparison: Comparison, name: str, was: Mapping[str, Any], spec: Mapping[str, Any]
) -> Iterator[Change]:
    place = f"{name} request"
    bodies = [version.resolve(one.get("requestBody") or {}) for version, one in ((old, was), (new, spec))]
    if bool(bodies[0].get("required")) != bool(bodies[1].get("required")) and all(bodies):
        needed = bool(bodies[1].get("required"))
        yield Change(
            "fields", place, f"body is {'required' if needed else 'optional'} now", Party.WRITER if needed else None
        )
    before, after = _content(old, was.get("requestBody")), _content(new, spec.get("requestBody"))
    if (before is None) != (after is None):
        what = "a JSON body is wanted now" if before is None else "no JSON body is wanted any more"
        yield Change("fields", place, what, Party.WRITER)
    elif before is not None:
        comparison.places.setdefault(str(after.get("$ref")).rpartition("/")[2], place)
        yield from comparison.compare(before, after, place, Party.WRITER)
    contents = [body.get("content", {}) for body in bodies]
    yield from _media_types(comparison, contents[0], contents[1], place, Party.WRITER)


def _media_types(
    comparison: Comparison, before: Mapping[str, Any], after: Mapping[str, Any], place: str, party: Party
) -> Iterator[Change]:
    """Yield changes of media types other than JSON, which is compared by its schema."""
    for kind in before.keys() - after.keys() - {"application/json"}:
        yield Change("fields", place, f"media type {kind} is gone", party)
    for kind in after.keys() - before.keys() - {"application/json"}:
        yield Change("fields", place, f"media type {kind} is new", None if party is Party.WRITER else party)
    for kind in sorted(before.keys() & after.keys() - {"application/json"}):
        ours, theirs = (content[kind].get("schema", {}) for content in (before, after))
        yield from comparison.compare(ours, theirs, f"{place} {kind}", party)


def _answers(
    old: Version, new: Version, comparison: Comparison, name: str, was: Mapping[str, Any], spec: Mapping[str, Any]
) -> Iterator[Change]:
    before = {str(status): answer for status, answer in (was.get("responses") or {}).items()}
    after = {str(status): answer for status, answer in (spec.get("responses") or {}).items()}
    for status in before.keys() - after.keys():
        broken = Party.READER if status.startswith("2") else None
        yield Change("fields", f"{name} answer {status}", "HTTP status is gone", broken)
    for status, answer in after.items():
        if status not in before:
            yield Change("fields", f"{name} answer {status}", "HTTP status is new")
            continue
        yield from _headers(old, new, comparison, f"{name} answer {status}", before[status], answer)
        contents = [version.resolve(one).get("content", {}) for version, one in ((old, before[status]), (new, answer))]
        yield from _media_types(comparison, contents[0], contents[1], f"{name} answer {status}", Party.READER)
        yield from _links(old, new, f"{name} answer {status}", before[status], answer)
        left, right = _content(old, before[status]), _content(new, answer)
        if left is not None and right is not None:
            yield from comparison.compare(left, right, f"{name} answer {status}", Party.READER)
        elif left is not None or right is not None:
            yield Change("fields", f"{name} answer {status}", "its body became another kind", Party.READER)


def _headers(old: Version, new: Version, comparison: Comparison, place: str, was: Any, now: Any) -> Iterator[Change]:
    """Yield changes of the headers of an answer; names are compared without regard to case."""
    before, after = (
        {name.lower(): version.resolve(header) for name, header in version.resolve(answer).get("headers", {}).items()}
        for version, answer in ((old, was), (new, now))
    )
    for name in before.keys() - after.keys():
        yield Change("headers", f"{place} {name}", "header is gone", Party.READER)
    for name, header in after.items():
        if name not in before:
            yield Change("headers", f"{place} {name}", "header is new")
            continue
        if bool(before[name].get("required")) != bool(header.get("required")):
            needed = bool(header.get("required"))
            what = f"header is {'always there' if needed else 'optional'} now"
            yield Change("headers", f"{place} {name}", what, None if needed else Party.READER)
        for change in comparison.compare(
            before[name].get("schema", {}), header.get("schema", {}), f"{place} {name}", Party.READER
        ):
            yield replace(change, area="headers")


def _callbacks(
    old: Version, new: Version, comparison: Comparison, name: str, was: Mapping[str, Any], spec: Mapping[str, Any]
) -> Iterator[Change]:
    before, after = _callback_requests(old, was), _callback_requests(new, spec)
    for callback in before.keys() - after.keys():
        yield Change("callbacks", f"{name} {callback}", "callback is gone", Party.RECEIVER)
    for callback, request in after.items():
        place = f"{name} {callback}"
        if callback not in before:
            yield Change("callbacks", place, "callback is new")
            continue
        ours = before[callback]
        yield from _acknowledgements(old, new, comparison, place, ours["spec"], request["spec"])
        for word in ("method", "url"):
            if ours[word] != request[word]:
                yield Change("callbacks", place, f"{word} {ours[word]} became {request[word]}", Party.RECEIVER)
        yield from _callback_parameters(comparison, place, ours["parameters"], request["parameters"])
        media = [one["spec"].get("requestBody") or {} for one in (ours, request)]
        contents = [version.resolve(one).get("content", {}) for version, one in zip((old, new), media, strict=True)]
        yield from _media_types(comparison, contents[0], contents[1], place, Party.RECEIVER)
        if (ours["schema"] is None) != (request["schema"] is None):
            yield Change("callbacks", place, "its body became another kind", Party.RECEIVER)
        elif request["schema"] is not None:
            for change in comparison.compare(ours["schema"], request["schema"], place, Party.RECEIVER):
                yield replace(change, area="callbacks")


def _acknowledgements(
    old: Version, new: Version, comparison: Comparison, place: str, was: Mapping[str, Any], now: Mapping[str, Any]
) -> Iterator[Change]:
    """Yield changes of the answers that the receiver of a callback must give: here the receiver is a writer."""
    before, after = ({str(s): a for s, a in (spec.get("responses") or {}).items()} for spec in (was, now))
    for status in sorted(before.keys() ^ after.keys()):
        gone = status in before
        what = f"answer {status} is {'gone' if gone else 'new'}"
        yield Change("callbacks", place, what, Party.RECEIVER if gone else None)
    for status in sorted(before.keys() & after.keys()):
        yield from _links(old, new, f"{place} answer {status}", before[status], after[status])
        left, right = _content(old, before[status]), _content(new, after[status])
        contents = [
            version.resolve(one).get("content", {}) for version, one in ((old, before[status]), (new, after[status]))
        ]
        found = [*_media_types(comparison, contents[0], contents[1], f"{place} answer {status}", Party.WRITER)]
        if (left is None) != (right is None):
            found.append(Change("fields", f"{place} answer {status}", "its body became another kind", Party.WRITER))
        elif left is not None:
            found += comparison.compare(left, right, f"{place} answer {status}", Party.WRITER)
        found += _headers(old, new, comparison, f"{place} answer {status}", before[status], after[status])
        for change in found:
            yield replace(change, area="callbacks", breaks=change.breaks and Party.RECEIVER)


def _callback_parameters(
    comparison: Comparison, place: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Change]:
    for name in before.keys() - after.keys():
        yield Change("callbacks", f"{place} {name}", "header is gone", Party.RECEIVER)
    for name in after.keys() - before.keys():
        yield Change("callbacks", f"{place} {name}", "header is new")
    for name in sorted(before.keys() & after.keys()):
        ours, theirs = before[name], after[name]
        for word in ("required", "deprecated", "style", "explode", "in"):
            if ours.get(word) != theirs.get(word):
                breaks = Party.RECEIVER if word != "required" or not theirs.get(word) else None
                what = f"{word} {ours.get(word)} became {theirs.get(word)}"
                yield Change("callbacks", f"{place} {name}", what, breaks)
        for change in comparison.compare(
            ours.get("schema", {}), theirs.get("schema", {}), f"{place} {name}", Party.RECEIVER
        ):
            yield replace(change, area="callbacks")


def _callback_requests(version: Version, spec: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the requests of each callback: method, URL expression, parameters and the schema of the body. A
    callback with several requests has one entry for each."""
    found: dict[str, dict[str, Any]] = {}
    for name, callback in (spec.get("callbacks") or {}).items():
        requests: list[dict[str, Any]] = []
        for url, given in version.resolve(callback).items():
            item = version.resolve(given)
            known = [method for method in METHODS if isinstance(item, Mapping) and method in item]
            requests.extend(_callback_request(version, url, method, item) for method in known)
        for one in requests:
            key = name if len(requests) == 1 else f"{name} {one['method']} {one['url']}"
            found[key] = one
    return found


def _callback_request(version: Version, url: str, method: str, item: Mapping[str, Any]) -> dict[str, Any]:
    request = item[method]
    parameters = [version.resolve(one) for one in (*item.get("parameters", ()), *request.get("parameters", ()))]
    by_name = {
        str(one["name"]).lower() if one.get("in") == "header" else f"{one.get('in')} {one['name']}": one
        for one in parameters
        if "name" in one
    }
    schema = _content(version, request.get("requestBody"))
    return {"method": method.upper(), "url": url, "parameters": by_name, "schema": schema, "spec": request}
