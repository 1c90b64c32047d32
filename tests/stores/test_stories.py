"""The end-to-end tests of tests/stories once more, with a store: the same clients, the same bytes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stores.redis_server import redis_process

ROOT = Path(__file__).parents[2]

#: The tests of whole uses: clients, callbacks, money, uploads, downloads, determinism.
USES = (
    "imgopen_clients", "crun_swap", "crun_uploads", "crun_money", "callbacks_crun", "callbacks_imgopen", "callback_faults",
    "control_determinism", "imgopen_swap", "imgopen_money", "late_outcomes", "crun_detect_id", "media_faults", "crun_music",
    "control_unmatched", "upload_store",
)  # fmt: skip


def run(store: str, *paths: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow and not long", *paths]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "TESTS_STORE": store}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout


def run_on(store: str, folder: Path, *paths: str) -> None:
    if store == "sqlite":
        run(store, *paths)
        return
    with redis_process(folder) as redis:
        run(redis.url, *paths)


STORES = ["sqlite", pytest.param("redis", marks=pytest.mark.needs("redis-server"))]


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("store", STORES)
def test_whole_uses(store, tmp_path):
    run_on(store, tmp_path, *(f"tests/stories/test_{name}.py" for name in USES))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("store", STORES)
def test_all_of_them(store, tmp_path):
    run_on(store, tmp_path, "tests/stories")
