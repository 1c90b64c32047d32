"""Faces and file extensions follow from the text of a URL."""

import pytest

from swapmock.mock_server.core import faces
from swapmock.mock_server.core.faces import LONGEST_KEPT, count_in, extension, path_of


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://example.com/a/b.png?x#y", "/a/b.png"),
        ("https://example.com", ""),
        ("no url", "no url"),
        ("http://[", ""),
    ],
)
def test_the_path_of_a_text(url, path):
    assert path_of(url) == path


@pytest.mark.parametrize(
    ("url", "ending"),
    [
        ("https://example.com/one.two/three/four.five.JPG", ".jpg"),
        ("https://example.com/one.two/three", ""),
        ("https://example.com/.hidden", ".hidden"),
        ("https://example.com/dot.", "."),
        ("http://[a.png", ""),
    ],
)
def test_the_extension_is_the_end_of_the_last_part(url, ending):
    assert extension(url) == ending


def test_only_short_urls_are_remembered():
    start = "https://example.com/"
    short, long = start + "s" * (LONGEST_KEPT - len(start)), start + "l" * (LONGEST_KEPT - len(start) + 1)
    faces._known_count.cache_clear()
    assert 1 <= count_in(long) <= 4
    assert faces._known_count.cache_info().currsize == 0
    assert [count_in(short), count_in(start + "x")] == [faces._count(short), faces._count(start + "x")]
    assert faces._known_count.cache_info().currsize == 2


def test_a_picture_has_up_to_four_faces():
    assert {count_in(f"https://example.com/{number}.png") for number in range(200)} == {1, 2, 3, 4}
    assert LONGEST_KEPT == 512
