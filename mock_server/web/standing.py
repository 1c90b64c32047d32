"""The standing credentials: those of the contracts, random ones, or given ones.

The credentials of the contracts are public. So they are used only if no other machine can reach the emulator.
Beyond loopback every standing credential is random, unless `--credential` gives it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from swapmock.contracts import Contract
from swapmock.mock_server.core.sandbox import Credential
from swapmock.mock_server.engine.sandboxes import credential_of
from swapmock.mock_server.settings import SettingError, Settings, is_private

#: The form of a given key or secret.
TEXT = re.compile(r"[\x21-\x2b\x2d-\x39\x3b-\x7e]{8,200}")  # visible ASCII without the separators , and :


class Standing(NamedTuple):
    """A standing credential and its `sandbox`. `is_given` says that the user has chosen it, so that the banner need
    not show it. `about` says what it is for."""

    credential: Credential
    sandbox: str
    about: str
    is_given: bool


def standing_credentials(
    contracts: Mapping[str, Contract], settings: Settings, draw_seed: Callable[[], str]
) -> tuple[Standing, ...]:
    """Return the standing credentials for `settings`. `draw_seed` returns a new unpredictable text at each call.

    The first `--credential` of a provider is that of the default sandbox, the second that of the other one.
    Raises SettingError with the entry that cannot be used."""
    given = _read_given(settings.credential, contracts)
    found = []
    for name, contract in contracts.items():
        waiting = given.get(name, [])
        for row in contract.behaviour.credentials.values():
            is_disabled = row.get("disabled", False)
            credential = Credential(name, row["key"], row.get("secret", ""), is_disabled)
            is_given = bool(waiting) and not is_disabled
            if is_given:
                credential = waiting.pop(0)
            elif not is_private(settings):
                drawn = credential_of(name, contract, draw_seed())
                credential = drawn._replace(disabled=is_disabled)
            found.append(Standing(credential, row["sandbox"], row["about"], is_given))
        if waiting:
            raise SettingError(f"--credential: there are too many of {name}")
    return tuple(found)


def _read_given(entries: Sequence[str], contracts: Mapping[str, Contract]) -> dict[str, list[Credential]]:
    found: dict[str, list[Credential]] = {}
    for entry in _entries(entries):
        credential = _read(entry, contracts)
        found.setdefault(credential.provider, []).append(credential)
    return found


def _entries(entries: Sequence[str]) -> Iterator[str]:
    """Yield the entries; `@file` is replaced by the lines of that file, without empty lines and lines with #."""
    for entry in entries:
        if not entry.startswith("@"):
            yield entry
            continue
        try:
            lines = Path(entry[1:]).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SettingError(f"--credential: cannot read {entry[1:]}: {reason}") from None
        yield from (line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))


def _read(entry: str, contracts: Mapping[str, Contract]) -> Credential:
    """Return the credential of `PROVIDER=KEY[:SECRET]`. Error texts do not repeat the key."""
    provider, equals, shown = entry.partition("=")
    if not equals:
        raise SettingError("--credential: an entry is not of the form PROVIDER=KEY[:SECRET]")
    if provider not in contracts:
        known = ", ".join(sorted(contracts))
        raise SettingError(f"--credential: no provider named {provider[:50]!r}; known: {known}")
    key, colon, secret = shown.partition(":")
    form: Mapping[str, Any] = contracts[provider].behaviour.rest.get("credential_form", {})
    if bool(colon) != ("secret" in form):
        raise SettingError(f"--credential: {provider} has a key {'and a secret' if 'secret' in form else 'only'}")
    if not all(TEXT.fullmatch(text) for text in (key, *([secret] if colon else []))):
        raise SettingError(f"--credential: the key of {provider} should be 8 to 200 visible characters")
    return Credential(provider, key, secret)
