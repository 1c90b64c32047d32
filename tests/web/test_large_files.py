"""Large files: whole, in parts, for slow clients and for those that leave; from memory and from a folder."""

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from swapmock import Emulator

CONTENT = os.urandom(1 << 20) * 5


@pytest.fixture(scope="module", params=["memory", "folder"])
def emulator(request, tmp_path_factory):
    folder = None if request.param == "memory" else Path(tmp_path_factory.mktemp("uploads"))
    with Emulator(data_dir=folder) as live:
        yield live


@pytest.fixture(scope="module")
def box(emulator):
    with emulator.sandbox(clock="frozen") as made:
        yield made


@pytest.fixture(scope="module")
def link(emulator, box):
    params = {"content_type": "video/mp4", "ext": ".mp4"}
    url = f"{emulator.url}/api/v1/client/files/upload-url"
    made = requests.get(url, params=params, headers=box.headers("crun"), timeout=10).json()["data"]
    headers = {"Content-Type": "video/mp4"}
    assert requests.put(made["presigned_url"], data=CONTENT, headers=headers, timeout=30).status_code == 200
    return made["file_url"]


def test_every_answer_of_a_connection_is_whole(link):
    with requests.Session() as session:
        for _ in range(3):
            assert session.get(link, timeout=30).content == CONTENT
            part = session.get(link, headers={"Range": "bytes=1000-3000999"}, timeout=30)
            assert (part.status_code, part.content) == (206, CONTENT[1000:3_001_000])
            assert session.head(link, timeout=30).headers["content-length"] == str(len(CONTENT))
            several = session.get(link, headers={"Range": "bytes=0-999999,2000000-2999999"}, timeout=30)
            assert CONTENT[2_000_000:3_000_000] in several.content


def connected(link, count=1):
    parts = urlsplit(link)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=30)
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n"
    connection.sendall(request.encode() * count)
    return connection


def test_requests_that_come_at_once_are_answered_in_order(link):
    with connected(link, count=3) as connection:
        received = b""
        while received.count(b"HTTP/1.1 200 OK") < 3 or not received.endswith(CONTENT[-100:]):
            piece = connection.recv(1 << 20)
            assert piece
            received += piece
    assert received.count(CONTENT) == 3


def test_a_client_that_leaves_takes_less_than_all(box, link):
    box.clear_journal()
    with connected(link) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        assert connection.recv(1000)
    (noted,) = box.wait_for_requests(1, operation="download_upload")[:1]
    for _ in range(100):
        record = next(row for row in box.journal(operation="download_upload") if row["id"] == noted)
        if record["transfer"]["sent"]:
            break
        requests.head(link, timeout=10)
    assert 0 < record["transfer"]["sent"] <= record["transfer"]["length"] == len(CONTENT)
    assert requests.get(link, timeout=30).content == CONTENT
