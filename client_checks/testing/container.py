"""The emulator as a container, for Testcontainers for Python."""

from __future__ import annotations

import secrets
from typing import Any, Self

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy

from swapmock import RemoteEmulator

PORT = 4020

#: The host name by which a container reaches the machine that runs it.
HOST = "host.docker.internal"


class SwapmockContainer(DockerContainer):
    """The emulator in a container: `with SwapmockContainer() as swapmock: swapmock.emulator.sandbox()`.

    `image` is the image's name. `settings` are those of `swapmock serve`, such as `speed=20` or
    `variants="crun.http_status=always200"`; a list is several values. The admin API's token is random unless
    `admin_token` is given. The container may send callbacks to the machine that runs it: `callback_url(port)` is
    the URL to give to the vendor's API. Needs the extra `containers`."""

    def __init__(self, image: str = "swapmock", **settings: Any) -> None:
        super().__init__(image)
        self.token = str(settings.pop("admin_token", "") or secrets.token_urlsafe(16))
        self.settings = {"callback_allow": HOST, "admin_token": self.token, **settings}
        for name, value in self.settings.items():
            words = [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]
            self.with_env(f"SWAPMOCK_{name.upper()}", ",".join(words))
        self.with_exposed_ports(PORT)
        self.with_kwargs(extra_hosts={HOST: "host-gateway"})
        self.waiting_for(HttpWaitStrategy(PORT, "/ready").for_status_code(200))
        self._emulator: RemoteEmulator | None = None

    @property
    def url(self) -> str:
        """The base URL of the vendors' APIs, for a client on this machine."""
        return f"http://{self.get_container_host_ip()}:{self.get_exposed_port(PORT)}"

    def get_url(self) -> str:
        """Return the same as `url`."""
        return self.url

    @property
    def emulator(self) -> RemoteEmulator:
        """The admin API as Python methods. It is closed when the container is stopped."""
        if self._emulator is None:
            self._emulator = RemoteEmulator(self.url, token=self.token)
        return self._emulator

    def callback_url(self, port: int, path: str = "/callback") -> str:
        """Return the URL by which the container reaches a receiver on this machine. The receiver must listen on
        `port` of every address."""
        return f"http://{HOST}:{port}{path}"

    def start(self) -> Self:
        """Start the container, and wait until the emulator is ready."""
        super().start()
        return self

    def stop(self, *args: Any, **options: Any) -> None:
        """Stop and remove the container."""
        if self._emulator is not None:
            self._emulator.close()
            self._emulator = None
        super().stop(*args, **options)
