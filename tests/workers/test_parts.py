"""The parts of worker processes for themselves: the directory, the merged metrics, the header of forwarded requests."""

import json

import pytest

from swapmock import Emulator
from swapmock.mock_server.adapters.meter import Meter
from swapmock.mock_server.core.placement import Peer
from swapmock.mock_server.settings import SettingError
from swapmock.mock_server.stores.sharded import Directory
from swapmock.mock_server.web.forwarding import Hop, read_hop, written
from swapmock.mock_server.web.metrics_of_all import merged
from swapmock.mock_server.web.routed import peek

PEERS = [Peer(f"worker {number}", f"unix:/{number}") for number in range(3)]
HOP = Hop("HEAD", "https", "host:1", ("10.0.0.1", 2), is_trusted_proxy=True, root="/x")


def test_new_sandboxes_go_where_the_fewest_are():
    directory = Directory(0, PEERS)
    for number in range(9):
        name = f"s{number}"
        directory.note(name, 0, [("crun", name)])
        directory.note(name, directory.emptiest(besides=name), [("crun", name)])
    assert [directory.process_of(f"s{number}") for number in range(9)] == [0, 1, 2] * 3
    directory.forget("s1")
    directory.note("new", 0, [])
    assert directory.emptiest(besides="new") == 1
    assert directory.elsewhere_by_key(("crun", "s1")) is None
    assert directory.elsewhere_by_key(("crun", "s2")) == PEERS[2]
    assert directory.elsewhere("s0") is None


def test_metrics_of_one_process_stay_the_same_and_of_two_add_up():
    one, other = Meter(), Meter()
    for meter in (one, one, other):
        meter.answered("crun", "get_task_info", "200", 0.003)
    other.answered("imgopen", "roop", "401", 0.5)
    other.lagged(0.5)
    texts = [meter.text({("crun", "swap", "running"): 2}, 7) for meter in (one, other)]
    assert merged(texts[:1]) == texts[0]
    together = merged(texts).splitlines()
    for line in (
        'swapmock_requests_total{code="200",operation="get_task_info",provider="crun"} 3.0',
        'swapmock_requests_total{code="401",operation="roop",provider="imgopen"} 1.0',
        'swapmock_tasks{kind="swap",phase="running",provider="crun"} 4.0',
        "swapmock_sandboxes 7.0",
        "swapmock_loop_lag_longest_seconds 0.5",
        'swapmock_request_seconds_bucket{le="0.005",operation="get_task_info",provider="crun"} 3.0',
        'swapmock_request_seconds_count{operation="get_task_info",provider="crun"} 3.0',
    ):
        assert line in together
    kinds = [line for line in together if line.startswith("# TYPE")]
    assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([written(HOP, "secret")], HOP),
        ([], None),
        ([written(HOP, "guess")], None),
        ([written(HOP, "")], None),
        ([b"secret"[:3] + b" {}"], None),
        ([b"\xff\xfe {}"], None),
        ([written(HOP, "secret"), written(HOP, "secret")], None),
    ],
)
def test_only_the_secret_makes_a_forwarded_request(values, found):
    scope = {"headers": [(b"a", b"b"), *((b"x-swapmock-hop", value) for value in values)]}
    assert read_hop(scope, "secret") == found
    assert scope["headers"] == [(b"a", b"b")]


def test_without_a_secret_nothing_is_a_forwarded_request():
    assert read_hop({"headers": [(b"x-swapmock-hop", written(HOP, ""))]}, "") is None


@pytest.mark.parametrize(
    ("received", "found"),
    [
        (b"GET /a?b=c HTTP/1.1\r\nX-Key: k\r\n\r\nGET /", ("GET", "/a", "b=c", {"x-key": "k"})),
        (b"POST /a%20b HTTP/1.1\r\ncontent-length: 5\r\n\r\n12", ("POST", "/a b", "", {"content-length": "5"})),
        (b"GET /a HTTP/1.1\r\nX-Key: k\r\n", None),
        (b"GET /a HTTP/1.1\r\nX Key\r\n\r\n", None),
        (b"GET http://x/a HTTP/1.1\r\n\r\n", None),
        (b"GET /a HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", None),
        (b"\x16\x03\x01\r\n\r\n", None),
        (b"", None),
    ],
)
def test_the_first_request_of_a_connection_is_looked_at(received, found):
    asked = peek(received)
    assert (None if asked is None else (*asked[:3], dict(asked.headers))) == found


def test_an_emulator_in_a_process_refuses_workers():
    with pytest.raises(SettingError, match="swapmock serve --workers 2"):
        Emulator(workers=2)


def test_the_header_is_json_after_the_secret():
    secret, _, text = written(HOP, "secret").partition(b" ")
    assert (secret, json.loads(text)[:3]) == (b"secret", ["HEAD", "https", "host:1"])
