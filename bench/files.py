"""An uploaded file of 5 MB over 8 keep-alive connections, beside nginx (sendfile, one worker): `python -m bench.files`.

Server and wrk have a processor each. Both serve the same bytes. Rounds alternate, and the ratio is taken within each round.
"""

from __future__ import annotations

import os
import sys
import tempfile
from http.client import HTTPConnection
from json import loads
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from bench.machine import Call, ask, first_answer, free_port, load, running
from bench.servers import KEY

SIZE, CONNECTIONS = 5 * 1024 * 1024, 8

NGINX = """worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 64; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
server {{ listen 127.0.0.1:{port}; root {folder}; }} }}
"""


def upload(port: int, content: bytes) -> str:
    """The path of an uploaded file with this content."""
    target = "/api/v1/client/files/upload-url?content_type=video/mp4&ext=.mp4"
    _, answer = ask(port, Call("GET", target, KEY))
    made = loads(answer)["data"]
    link = urlsplit(made["presigned_url"])
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("PUT", f"{link.path}?{link.query}", content, {"Content-Type": "video/mp4"})
    assert connection.getresponse().status == 200
    connection.close()
    return urlsplit(made["file_url"]).path


def once(seconds: int) -> tuple[float, float, float, float]:
    """Requests a second and CPU microseconds a request, of the emulator and of nginx."""
    content = os.urandom(SIZE)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # the worker of nginx may be another user
        (folder / "file").write_bytes(content)
        port, other = free_port(), free_port()
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=other))
        with running([sys.executable, "-m", "swapmock", "serve", "--port", str(port)], folder) as server:
            first_answer(port, Call("GET", "/health", {}), server)
            path = upload(port, content)
            ours = load(server, port, Call("GET", path, {}), folder, connections=CONNECTIONS, seconds=seconds)
        with running(["nginx", "-c", str(folder / "nginx.conf")], folder) as server:
            first_answer(other, Call("GET", "/file", {}), server)
            theirs = load(server, other, Call("GET", "/file", {}), folder, connections=CONNECTIONS, seconds=seconds)
    assert ours.errors == theirs.errors == 0
    return ours.per_second, theirs.per_second, ours.cpu_us, theirs.cpu_us


def main(rounds: int = 5, seconds: int = 5) -> None:
    ratios = []
    for number in range(rounds):
        ours, theirs, our_cpu, their_cpu = once(seconds)
        ratios.append(ours / theirs)
        print(f"round {number + 1}: swapmock {ours:.0f}/s ({our_cpu:.0f} us of CPU each), nginx {theirs:.0f}/s "
              f"({their_cpu:.0f} us), ratio {ratios[-1]:.2f}", flush=True)  # fmt: skip
    print(f"median ratio {median(ratios):.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
