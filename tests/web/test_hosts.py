"""Links in answers have the host by which the client asked."""

import pytest
import requests

from swapmock.mock_server.web.build import System
from swapmock.mock_server.web.server import LiveServer
from tests.conftest import KEY

UPLOAD = "/api/v1/client/files/upload-url"
HOSTS = ["emulator.test:8080", "[::1]:4020", "localhost"]
ALLOWED = pytest.mark.parametrize("settings", [{"allow_host": ("emulator.test",)}], indirect=True)


@ALLOWED
@pytest.mark.parametrize("host", HOSTS)
def test_live(server: LiveServer, host: str) -> None:
    answer = requests.get(
        server.url + UPLOAD, params={"ext": ".png", "content_type": "image/png"}, timeout=10,
        headers={"x-api-key": KEY, "Host": host},
    )  # fmt: skip
    assert answer.json()["data"]["file_url"].startswith(f"http://{host}/u/")


@ALLOWED
@pytest.mark.parametrize("host", HOSTS)
def test_wsgi(system: System, host: str) -> None:
    answer = system.app.test_client().get(
        UPLOAD + "?ext=.png&content_type=image/png", headers={"x-api-key": KEY, "Host": host}
    )
    assert answer.json is not None
    assert answer.json["data"]["file_url"].startswith(f"http://{host}/u/")
