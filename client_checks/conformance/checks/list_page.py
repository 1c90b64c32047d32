"""A list obeys the page, the size and the filters of the request, and its total does not change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation, Evidence
from swapmock.client_checks.conformance.pointer import at
from swapmock.client_checks.conformance.strict_json import parsed


@check("list.page", "a list that does not match the request")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation for each page, filter, repeated value or total that does not fit the request."""
    rules = context.target.profile.lists.get(context.operation.id)
    if rules is None or not context.is_success:
        return
    items = at(context.body, rules["items"])
    total = at(context.body, rules["total"]) if "total" in rules else None
    if not isinstance(items, list):
        return
    yield EXAMINED
    asked = _asked(context)
    size, page = _whole(asked.get(rules.get("size", ""))), _whole(asked.get(rules.get("page", "")))
    if 0 in (size, page):
        return  # there is no such page, and no rule says what it is taken for
    evidence = context.evidence_at(rules["items"])
    if size is not None and len(items) > size:
        yield Deviation(f"at most {size} items", f"{len(items)} items", evidence, place="size")
    keys = [item[rules["key"]] for item in items if isinstance(item, Mapping) and item.get(rules["key"]) is not None]
    if len(set(map(str, keys))) < len(keys):
        yield Deviation("each item once in a page", repr(keys)[:120], evidence, place="repeated")
    for name, field in rules.get("filters", {}).items():
        wanted = asked.get(name)
        for item in items if wanted not in (None, "") else ():
            held = item.get(field) if isinstance(item, Mapping) else None
            if not (str(wanted) == str(held) or (isinstance(held, list) and wanted in held)):
                got = f"{item.get(rules['key'])!r} with {held!r}"[:120]
                yield Deviation(f"items with {field} {wanted!r} only", got, evidence, place=f"filter {name}")
                break
    for echoed, name in rules.get("echoes", {}).items():
        told = at(context.body, echoed)
        if told is not None and name in asked and told != asked[name] and str(told) != str(asked[name]):
            yield Deviation(f"{name} {asked[name]!r}, as asked", repr(told)[:60], evidence, place=f"echo {name}")
    if isinstance(total, int) and not isinstance(total, bool):
        yield from _totals(context, rules, asked, items, keys, total, size, page)


def _totals(
    context: ResponseContext, rules: Mapping[str, Any], asked: Mapping[str, Any], items: list[Any], keys: list[Any],
    total: int, size: int | None, page: int | None,
) -> Iterator[Deviation | None]:  # fmt: skip
    """Yield a deviation if the total does not count every matching item, whatever page is requested."""
    memory = context.history.memory["list.page"]
    evidence = context.evidence_at(rules["total"])
    paging = {rules.get("page"), rules.get("size")}
    filters = tuple(sorted((name, str(value)) for name, value in asked.items() if name not in paging))
    place = (context.operation.id, filters)
    if total < len(items):
        yield Deviation(f"a total of {len(items)} or more", str(total), evidence, place="total")
    elif size is None and page is None and not rules.get("size") and total != len(items):
        yield Deviation(f"a total of {len(items)}: the list has no pages", str(total), evidence, place="total")
    elif rules.get("page") in asked and page is None:
        return  # a page that is no whole number
    elif size is not None and len(items) != _count(size, page, total) and len(items) <= size:
        expected = f"{_count(size, page, total)} items on page {page or 1}, of {total} in all"
        yield Deviation(
            expected, f"{len(items)} items", evidence, place="beyond" if _count(size, page, total) == 0 else "short"
        )
    before = memory.setdefault(("total", *place), total)
    if before != total:
        yield Deviation(f"a total of {before}, as before", str(total), evidence, place="total changed")
    if size is None or page is None:
        return
    yield from _places(memory.setdefault(("places", *place), {}), keys, (max(page, 1) - 1) * size, evidence)
    owners = memory.setdefault(("pages", *place, size), {})
    for key in map(str, keys):
        known = owners.setdefault(key, page)
        if known != page:
            source = Evidence(evidence.level, evidence.source)
            yield Deviation(f"{key[:40]!r} on page {known} only", f"on page {page} as well", source, place="pages")
            break


def _count(size: int, page: int | None, total: int) -> int:
    """Return the number of items on the page."""
    return max(0, min(size, total - (max(page or 1, 1) - 1) * size))


def _places(known: dict[int, str], keys: list[Any], start: int, evidence: Evidence) -> Iterator[Deviation]:
    """Yield a deviation if a position in the whole list has another item under another page size."""
    for place, key in enumerate(map(str, keys), start):
        before = known.setdefault(place, key)
        if before != key:
            yield Deviation(
                f"{before[:40]!r} at place {place}, as on another page", repr(key)[:60], evidence, place="order"
            )
            return


def _asked(context: ResponseContext) -> dict[str, Any]:
    query = {name: values[0] for name, values in parse_qs(urlsplit(context.exchange.url).query).items()}
    body = parsed(context.exchange.body)
    return {**query, **body} if isinstance(body, dict) else dict(query)


def _whole(value: Any) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
