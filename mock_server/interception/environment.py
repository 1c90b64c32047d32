"""The environment variables by which common runtimes find the proxy and trust its certificates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from swapmock.mock_server.interception.certificates import STORE_PASSWORD, Authority, roots_named_by, system_roots
from swapmock.mock_server.interception.hosts import LOOPBACK, bare_host

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")

#: Variable -> file name. Each names a file with all trusted roots: Python's ssl, Go, Ruby and .NET read the first, Python
#: requests the second, curl the third.
CA_VARIABLES = {
    "SSL_CERT_FILE": "ssl-cert-file.pem",
    "REQUESTS_CA_BUNDLE": "requests-ca-bundle.pem",
    "CURL_CA_BUNDLE": "curl-ca-bundle.pem",
}

#: The same, for runtimes that add the file's certificates to their own roots.
EXTRA_CA_VARIABLES = {"NODE_EXTRA_CA_CERTS": "node-extra-ca-certs.pem", "DENO_CERT": "deno-cert.pem"}

PRELOAD = Path(__file__).parent / "node_preload.cjs"


@dataclass(frozen=True)
class ProxyAddress:
    """The ports of loopback on which the proxy listens: for proxy clients, and for HTTPS that was redirected to it."""

    port: int
    tls_port: int


def client_variables(
    base: Mapping[str, str], hosts: tuple[str, ...], proxy: ProxyAddress, authority: Authority, folder: Path
) -> dict[str, str]:
    """Return the variables to set in addition to `base`. The files that they name are written into `folder`.

    `hosts` are the vendors' names, `proxy` is the address of the proxy, `authority` issues its certificate."""
    return {
        **_proxy_variables(base, hosts, proxy),
        **_ca_variables(base, authority),
        **_node_variables(base, hosts, proxy, folder),
        **_java_variables(base, proxy, authority),
    }


def _proxy_variables(base: Mapping[str, str], hosts: tuple[str, ...], proxy: ProxyAddress) -> dict[str, str]:
    url = f"http://127.0.0.1:{proxy.port}"
    values = dict.fromkeys(PROXY_VARIABLES, url) | {"NO_PROXY": _no_proxy(base, hosts)}
    return values | {name.lower(): value for name, value in values.items()}


def _no_proxy(base: Mapping[str, str], hosts: tuple[str, ...]) -> str:
    """Return loopback and the hosts that `base` names already, except those that would keep a vendor's host from the
    proxy."""
    given = f"{base.get('NO_PROXY', '')},{base.get('no_proxy', '')}".split(",")
    kept = (entry.strip() for entry in given if entry.strip() and not _covers(entry.strip(), hosts))
    return ",".join(dict.fromkeys((*LOOPBACK, *kept)))


def _covers(entry: str, hosts: tuple[str, ...]) -> bool:
    domain = bare_host(entry.removeprefix("*")).removeprefix(".")
    return entry == "*" or any(host == domain or host.endswith(f".{domain}") for host in hosts)


def _ca_variables(base: Mapping[str, str], authority: Authority) -> dict[str, str]:
    system = system_roots()
    whole = {
        variable: authority.bundle(name, roots_named_by(variable, base) or system)
        for variable, name in CA_VARIABLES.items()
    }
    extra = {
        variable: authority.bundle(name, roots_named_by(variable, base))
        for variable, name in EXTRA_CA_VARIABLES.items()
    }
    return {variable: str(path) for variable, path in (whole | extra).items()}


def _node_variables(
    base: Mapping[str, str], hosts: tuple[str, ...], proxy: ProxyAddress, folder: Path
) -> dict[str, str]:
    """Return a preload for every version of Node and, for Node 24 and later, the switch that makes it read the proxy
    variables."""
    known = json.dumps({"hosts": hosts, "ports": {"80": proxy.port, "443": proxy.tls_port}})
    path = folder / "node-preload.cjs"
    path.write_text(PRELOAD.read_text("utf-8").replace("__SWAPMOCK__", known), "utf-8")
    quoted = json.dumps(str(path))
    options = f"{base.get('NODE_OPTIONS', '')} --require {quoted}".strip()
    return {"NODE_OPTIONS": options, "NODE_USE_ENV_PROXY": "1"}


def _java_variables(base: Mapping[str, str], proxy: ProxyAddress, authority: Authority) -> dict[str, str]:
    store = authority.java_trust_store(system_roots())
    properties = {
        "javax.net.ssl.trustStore": str(store),
        "javax.net.ssl.trustStoreType": "PKCS12",
        "javax.net.ssl.trustStorePassword": STORE_PASSWORD,
        "http.proxyHost": "127.0.0.1",
        "http.proxyPort": str(proxy.port),
        "https.proxyHost": "127.0.0.1",
        "https.proxyPort": str(proxy.port),
        "http.nonProxyHosts": "localhost|127.*|[::1]",
    }
    options = " ".join(f"-D{name}={value}" for name, value in properties.items())
    return {"JAVA_TOOL_OPTIONS": f"{base.get('JAVA_TOOL_OPTIONS', '')} {options}".strip()}
