"""Bytes of uploaded files, in memory or in a folder."""

import fcntl
import shutil

import pytest

from swapmock.mock_server.adapters.blobs import FolderBlobs, MemoryBlobs


@pytest.fixture(params=["memory", "folder"])
def blobs(request, tmp_path):
    return MemoryBlobs() if request.param == "memory" else FolderBlobs(tmp_path / "new" / "uploads")


@pytest.mark.parametrize("content", [b"", b"\0\xff\r\n", bytes(1 << 20)])
def test_what_is_put_is_got(blobs, content):
    assert blobs.get("one/a.png") is None
    blobs.put("one/a.png", b"before")
    blobs.put("one/a.png", content)
    assert blobs.get("one/a.png") == content


@pytest.mark.parametrize(
    "key", ["one/../../../etc/passwd", "../x/y", "one/a b", "é/ü", "one/" + "x" * 500, "/", "a//b"]
)
def test_any_key_will_do(blobs, key, tmp_path):
    blobs.put(key, b"x")
    assert blobs.get(key) == b"x"
    assert {path.parents[2].name for path in tmp_path.rglob("*") if path.is_file()} <= {"uploads"}


def test_a_group_is_dropped_and_no_other(blobs):
    for key in ("one/a", "one/b", "two/a"):
        blobs.put(key, key.encode())
    blobs.drop("one/")
    blobs.drop("three/")
    assert [blobs.get(key) for key in ("one/a", "one/b", "two/a")] == [None, None, b"two/a"]


def test_one_is_removed_and_no_other(blobs):
    blobs.put("one/a", b"a")
    blobs.put("one/b", b"b")
    for key in ("one/a", "one/a", "three/a"):
        blobs.remove(key)
    assert (blobs.get("one/a"), blobs.get("one/b")) == (None, b"b")


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    blobs = FolderBlobs(tmp_path / "uploads")
    blobs.put("one/a", b"before")
    (path,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        blobs.put("one/a", b"after")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_a_process_that_is_no_more_has_left_is_removed(tmp_path):
    killed, alive = FolderBlobs(tmp_path), FolderBlobs(tmp_path)
    for blobs in (killed, alive):
        blobs.put("one/a", b"a")
    (tmp_path / "mine").mkdir()
    (tmp_path / "server-list.txt").write_text("mine, too")
    assert killed._lock is not None
    fcntl.flock(killed._lock, fcntl.LOCK_UN)  # as its end does
    new = FolderBlobs(tmp_path)
    assert [blobs.get("one/a") for blobs in (killed, alive, new)] == [None, b"a", None]
    assert (tmp_path / "mine").is_dir()
    assert (tmp_path / "server-list.txt").is_file()


def test_a_folder_that_somebody_removed_is_made_again(tmp_path):
    blobs = FolderBlobs(tmp_path / "uploads")
    shutil.rmtree(tmp_path / "uploads")
    blobs.put("one/a", b"a")
    assert blobs.get("one/a") == b"a"


def test_an_open_blob_is_read_from_any_place_and_outlives_its_key(blobs):
    content = bytes(range(256)) * 6000
    blobs.put("one/a", content)
    opened = blobs.open("one/a")
    blobs.put("one/a", b"other")
    blobs.remove("one/a")
    assert (opened.size, b"".join(opened.read())) == (len(content), content)
    assert b"".join(opened.read(5, 1_500_000)) == content[5:1_500_000]
    assert list(opened.read(7, 7)) == []
    assert blobs.open("one/a") is None
