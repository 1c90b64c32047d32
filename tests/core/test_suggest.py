"""The name that was most likely meant."""

import pytest

from swapmock.mock_server.core.suggest import nearest

KNOWN = ["image_url", "new_face", "callback_url", "seed"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("imageUrl", "image_url"),
        ("IMAGE-URL", "image_url"),
        ("imgae_url", "image_url"),
        ("newface", "new_face"),
        ("sead", "seed"),
        ("callbackUrl", "callback_url"),
        ("zzz", None),
        ("", None),
    ],
)
def test_nearest(name, meant):
    assert nearest(name, KNOWN) == meant


def test_of_nothing():
    assert nearest("a", []) is None
