"""Other spellings that a contract takes for its own: annotations of its schemas, followed into every object and list.

x-aliases: [other, ...]    at a field: other names for it
x-plain: name              at an object: a number or text in its place stands for `{name: value}`
x-wraps: [name, ...]       at an object: `{name: {...}}` stands for what is within
x-words: {word: value}     at any schema: the word in place of the value; at an object also as `{word: true}`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: `$ref`s followed.
Resolve = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Spelling:
    """The other spellings that one schema accepts. `branches` are the alternatives of a `oneOf`."""

    words: Mapping[str, Any]
    plain: str | None
    aliases: Mapping[str, str]
    wraps: Sequence[str] = ()
    fields: Mapping[str, Spelling] = field(default_factory=dict)
    items: Spelling | None = None
    branches: tuple[Spelling, ...] = ()

    @property
    def says_nothing(self) -> bool:
        """Whether this schema accepts no other spelling."""
        return not (
            self.words or self.plain or self.aliases or self.wraps or self.fields or self.items or self.branches
        )

    def normalize(self, value: Any) -> Any:
        """Return `value` with the contract's own names; unknown members stay unchanged."""
        if not isinstance(value, dict | list):
            value = self._word(value)
        if isinstance(value, dict):
            value = self._object(self._unwrapped(value))
        elif isinstance(value, list) and self.items is not None:
            value = [self.items.normalize(item) for item in value]
        for branch in self.branches:
            value = branch.normalize(value)
        return value

    def _word(self, value: Any) -> Any:
        word = str(value).lower() if isinstance(value, bool) else value
        if isinstance(word, str) and word in self.words:
            return self.words[word]
        if self.plain is not None and isinstance(value, str | int | float) and not isinstance(value, bool):
            return {self.plain: value}
        return value

    def _unwrapped(self, given: dict[str, Any]) -> dict[str, Any]:
        if not self.wraps:
            return given
        inner = [given[name] for name in self.wraps if name in given]
        return inner[0] if len(given) == 1 and inner and isinstance(inner[0], dict) else given

    def _object(self, given: dict[str, Any]) -> dict[str, Any]:
        if not (self.aliases.keys().isdisjoint(given) and self.words.keys().isdisjoint(given)):
            given = self._renamed(given)
        if self.fields.keys().isdisjoint(given):
            return given
        return {
            name: self.fields[name].normalize(value) if name in self.fields else value for name, value in given.items()
        }

    def _renamed(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return an object with the fields' own names. If a body has a field under its own name and another one, the
        own name counts; of two other names, the first."""
        made: dict[str, Any] = {}
        for name, value in given.items():
            own = self.aliases.get(name, name)
            if own != name and (own in given or own in made):
                made[name] = value
            elif value is True and isinstance(self.words.get(name), Mapping):
                made.update(self.words[name])
            else:
                made[own] = value
        return made


def read_spelling(schema: Any, resolve: Resolve, within: tuple[int, ...] = ()) -> Spelling | None:
    """Return the other spellings that `schema` and the schemas in it accept; None if there are none. `resolve`
    follows references; `within` are the schemas around this one."""
    schema = resolve(schema)
    if not isinstance(schema, Mapping) or id(schema) in within:
        return None
    within = (*within, id(schema))
    properties = schema.get("properties", {})
    found = Spelling(
        words=schema.get("x-words", {}),
        plain=schema.get("x-plain"),
        aliases={
            other: name
            for name, part in properties.items()
            for other in part.get("x-aliases", resolve(part).get("x-aliases", ()))
        },
        wraps=tuple(schema.get("x-wraps", ())),
        fields={
            name: inner
            for name, part in properties.items()
            if (inner := read_spelling(part, resolve, within)) is not None
        },
        items=read_spelling(schema["items"], resolve, within) if "items" in schema else None,
        branches=tuple(
            inner for part in schema.get("oneOf", ()) if (inner := read_spelling(part, resolve, within)) is not None
        ),
    )
    return None if found.says_nothing else found
