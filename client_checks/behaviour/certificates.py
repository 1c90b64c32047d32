"""Makes a self-signed certificate, for the case in which a client must refuse the connection."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path


class NoCertificate(Exception):
    """A certificate cannot be made on this machine."""


def foreign_context(folder: Path) -> ssl.SSLContext:
    """Return the TLS context of a server with a self-signed certificate for another host name. Raises NoCertificate
    without openssl."""
    program = shutil.which("openssl")
    if program is None:
        raise NoCertificate("the case needs the program openssl")
    key, certificate = folder / "foreign.key", folder / "foreign.pem"
    subprocess.run(
        [
            program,
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=somebody.example",
            "-keyout",
            str(key),
            "-out",
            str(certificate),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
