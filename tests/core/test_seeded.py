"""Chance that is handed in: the same seed gives the same ids, another one others."""

import re
import string
from uuid import UUID

import pytest

from swapmock.mock_server.core import seeded
from swapmock.mock_server.core.faces import MOST_FACES, count_in, extension

FORMS = {
    "lower_alphanumeric": (lambda *parts: seeded.lower_alphanumeric(17, *parts), r"[a-z0-9]{17}"),
    "alphanumeric": (lambda *parts: seeded.alphanumeric(11, *parts), r"[A-Za-z0-9]{11}"),
    "hexadecimal": (lambda *parts: seeded.hexadecimal(21, *parts), r"[0-9a-f]{21}"),
    "uuid4": (seeded.uuid4, r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
}


@pytest.mark.parametrize("name", FORMS)
def test_ids_follow_from_their_parts(name):
    make, form = FORMS[name]
    made = [make(seed, "task", number) for seed in range(20) for number in range(100)]
    assert all(re.fullmatch(form, text) for text in made)
    assert len(set(made)) == len(made)
    assert made[105] == make(1, "task", 5)


def test_parts_do_not_run_together():
    assert seeded.digest("ab", "c") != seeded.digest("a", "bc")
    assert seeded.digest("a") != seeded.digest("a", "")


def test_uuids_are_of_version_4():
    assert {UUID(seeded.uuid4(0, number)).version for number in range(50)} == {4}


def test_every_character_occurs():
    assert set(seeded.alphanumeric(4000, 1)) <= set(string.ascii_letters + string.digits)
    assert {seeded.alphanumeric(11, number)[0] for number in range(2000)} == set(string.ascii_letters + string.digits)
    assert {seeded.alphanumeric(11, number)[-1] for number in range(2000)} == set(string.ascii_letters + string.digits)


def test_numbers_stay_in_their_range():
    assert {seeded.integer(3, 6, number) for number in range(200)} == {3, 4, 5, 6}
    drawn = [seeded.fraction(number) for number in range(2000)]
    assert 0 <= min(drawn) < 0.01 < 0.99 < max(drawn) < 1


def test_surrogates_do_not_stop_it():
    assert seeded.hexadecimal(8, "\ud800") != seeded.hexadecimal(8, "\ud801")


def test_faces_follow_from_the_url():
    counts = [count_in(f"https://example.com/{number}.png") for number in range(200)]
    assert set(counts) == set(range(1, MOST_FACES + 1))
    assert counts == [count_in(f"https://example.com/{number}.png") for number in range(200)]


@pytest.mark.parametrize(
    ("url", "ending"),
    [
        ("https://example.com/a.png", ".png"),
        ("https://example.com/a.PNG?x=.gif#.mp4", ".png"),
        ("https://example.com/a.tar.gz", ".gz"),
        ("https://example.com/a.b/c", ""),
        ("https://example.com", ""),
        ("", ""),
    ],
)
def test_the_extension_is_that_of_the_path(url, ending):
    assert extension(url) == ending


@pytest.mark.parametrize(
    ("length", "start", "end"),
    [
        (1, "d", "d"),
        (2, "sc", "sc"),
        (63, "edghv2u2", "ui8cv9al"),
        (64, "7eebelmt", "aky7kjku"),
        (65, "7eebelmt", "ky7kjkud"),
        (130, "7eebelmt", "xi3jjma1"),
    ],
)
def test_ids_are_the_same_in_every_version(length, start, end):
    """A seed gives the same ids after an update: recorded runs and snapshots rest on it."""
    made = seeded.lower_alphanumeric(length, 7, "task", 1)
    assert (len(made), made[:8], made[-8:]) == (length, start, end)


def test_numbers_and_uuids_are_the_same_in_every_version():
    assert seeded.hexadecimal(7, 7, "task", 1) == "6c39afb"
    assert seeded.hexadecimal(8, 7, "task", 1) == "6c39afbe"
    assert seeded.hexadecimal(32, 7, "task", 1) == "04851b2add0b0b035caf22b6e867b4f5"
    assert [seeded.uuid4(7, "task", number) for number in range(4)] == [
        "8761744b-bb46-467a-b443-fa095f827a51",
        "04851b2a-dd0b-4b03-9caf-22b6e867b4f5",
        "639827c5-8288-4677-b90b-3e6ad38d256f",
        "3a413211-6ee9-475b-900b-45bef685f37d",
    ]
    assert [seeded.integer(1, 10**6, 7, number) for number in range(3)] == [972063, 429841, 97876]
    assert seeded.fraction(7, "x") == 0.5436427784642182
