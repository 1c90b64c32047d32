"""What a client says of our host stands in links only where it is a host."""

import pytest
import requests

from swapmock.mock_server.web.build import System
from swapmock.mock_server.web.server import LiveServer
from tests.conftest import KEY

UPLOAD = "/api/v1/client/files/upload-url"
HOSTS = [
    ("emulator.test:8080", True),
    ("[::1]:4020", True),
    ("localhost", True),
    ('evil/<x>"', False),
    ("a b", False),
    ("user@host", False),
    ("host:99999999", False),
]


@pytest.mark.parametrize(("host", "is_one"), HOSTS)
def test_live(server: LiveServer, host: str, is_one: bool) -> None:
    answer = requests.get(
        server.url + UPLOAD, params={"ext": ".png", "content_type": "image/png"}, timeout=10,
        headers={"x-api-key": KEY, "Host": host},
    )  # fmt: skip
    assert answer.json()["data"]["file_url"].startswith(f"http://{host}/u/" if is_one else f"{server.url}/u/")


@pytest.mark.parametrize(("host", "is_one"), HOSTS)
def test_wsgi(system: System, host: str, is_one: bool) -> None:
    answer = system.app.test_client().get(
        UPLOAD + "?ext=.png&content_type=image/png", headers={"x-api-key": KEY, "Host": host}
    )
    assert answer.json is not None
    assert answer.json["data"]["file_url"].startswith(f"http://{host}/u/" if is_one else "http://localhost:80/u/")
