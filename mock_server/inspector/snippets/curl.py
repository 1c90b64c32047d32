"""An exchange as a command for the shell."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING
from urllib.parse import quote

from swapmock.mock_server.admin.masking import Mask
from swapmock.mock_server.core.journal import Exchange

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

#: Headers that curl sets itself.
OWN = ("host", "user-agent", "accept", "accept-encoding", "connection", "content-length")


def curl_text(exchange: Exchange, engine: Engine, mask: Mask, admin_url: str, sandbox: str) -> str:
    """Return the shell command that sends `exchange` again to the sandbox `sandbox`. It contains no credentials: a
    command before it reads them from the admin API at `admin_url`."""
    form = engine.contracts[exchange.provider].behaviour.credential_form
    names = {} if form is None else {name.lower(): name for name in form.headers}
    lines, headers = list[str](), list[str]()
    for name, value in exchange.headers.items():
        if name in OWN:
            continue
        if name in names:
            variable = _variable(exchange.provider, names[name])
            where = f"{admin_url}/__admin/sandboxes/{sandbox}"
            path = f".credentials.{exchange.provider}.headers[{names[name]!r}]".replace("'", '"')
            lines.append(f"{variable}=$(curl -s {shlex.quote(where)} | jq -r {shlex.quote(path)})")
            headers.append(f'-H "{names[name]}: ${variable}"')
        else:
            [(_, shown)] = mask.headers([(name, value)])
            headers.append(f"-H {shlex.quote(f'{name}: {shown}')}")
    path, _, query = exchange.target.partition("?")
    url = exchange.base_url + mask.text(quote(path, safe="/:@!$&'()*+,;=~-._%") + (f"?{query}" if query else ""))
    body = mask.text(exchange.body.decode("utf-8", "replace"))
    parts = [f"curl -i -X {shlex.quote(exchange.method)} {shlex.quote(url)}", *headers]
    parts += [f"--data-raw {shlex.quote(body)}"] if body else []
    return "\n".join([*lines, " \\\n  ".join(parts)])


def _variable(provider: str, header: str) -> str:
    plain = "".join(letter if letter.isalnum() else "_" for letter in f"{provider}_{header}")
    return plain.upper()
