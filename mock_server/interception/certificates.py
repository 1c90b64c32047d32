"""A certificate authority for one run, and the files by which clients trust it.

trustme makes the certificates. The authority's private key stays in this process, and is lost when the process
ends."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore

#: The files in which systems keep their trusted roots, in addition to the default file of OpenSSL.
SYSTEM_ROOTS = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)

#: The password of a Java trust store. The store contains no secrets, and Java's own has the same password.
STORE_PASSWORD = "changeit"


class Authority:
    """Issues one certificate for all of `hosts`, and writes the files for clients into `folder`."""

    def __init__(self, hosts: Sequence[str], folder: Path) -> None:
        self._ca = trustme.CA(organization_name="swapmock run")
        self._leaf = self._ca.issue_cert(*hosts)
        self._folder = folder
        self.root = self._ca.cert_pem.bytes()

    def server_context(self) -> ssl.SSLContext:
        """Return the TLS context for a server that answers as any of the hosts."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._leaf.configure_cert(context)
        return context

    def bundle(self, name: str, others: bytes) -> Path:
        """Write the file `name` with the certificates `others` (PEM) and this authority's, and return its path."""
        path = self._folder / name
        path.write_bytes(others.rstrip() + b"\n" + self.root if others.strip() else self.root)
        return path

    def java_trust_store(self, others: bytes) -> Path:
        """Write a trust store for Java (PKCS 12) with the certificates `others` (PEM) and this authority's, and
        return its path."""
        path = self._folder / "truststore.p12"
        certificates = dict.fromkeys(_parsed(self.root + others))
        entries = [PKCS12Certificate(each, b"swapmock-%d" % number) for number, each in enumerate(certificates)]
        path.write_bytes(serialize_java_truststore(entries, BestAvailableEncryption(STORE_PASSWORD.encode())))
        return path


def _parsed(pem: bytes) -> Iterator[x509.Certificate]:
    """Yield the certificates in `pem`; those that cannot be read are left out."""
    end = b"-----END CERTIFICATE-----"
    for block in pem.split(end)[:-1]:
        start = block.find(b"-----BEGIN CERTIFICATE-----")
        with warnings.catch_warnings(), suppress(ValueError):
            warnings.simplefilter("ignore")  # some old roots do not fully conform to RFC 5280
            yield x509.load_pem_x509_certificate(block[start:] + end)


def system_roots() -> bytes:
    """Return the roots that this system trusts, as PEM: those of OpenSSL's default file, else of the usual files,
    else certifi's."""
    paths = ssl.get_default_verify_paths()
    return _first_readable((paths.cafile, paths.openssl_cafile, *SYSTEM_ROOTS, _certifi()))


def roots_named_by(variable: str, environment: Mapping[str, str]) -> bytes:
    """Return the roots in the file that `variable` names; empty without one."""
    return _first_readable((environment.get(variable),))


def _certifi() -> str | None:
    try:
        import certifi
    except ImportError:
        return None
    return certifi.where()


def _first_readable(paths: Iterable[str | None]) -> bytes:
    for path in paths:
        if not path:
            continue
        try:
            found = Path(path).read_bytes()
        except OSError:
            continue
        if b"BEGIN CERTIFICATE" in found:
            return found
    return b""
