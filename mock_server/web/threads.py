"""Threads for work that may take long. The process does not wait for them at its end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

Job = tuple[Future[Any], Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class DaemonThreads(Executor):
    """An executor with at most `most` threads; further work waits. The standard library's executor would delay the
    end of the process until its last call has returned."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = Lock()
        self._threads = self._idle = 0

    @property
    def is_full(self) -> bool:
        """Whether all threads are busy, so that more work would have to wait."""
        with self._lock:
            return self._threads >= self._most and self._idle <= 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `fn` in a thread, and return its future."""
        future: Future[Any] = Future()
        self._jobs.put((future, fn, args, kwargs))
        with self._lock:
            if self._idle:
                self._idle -= 1
            elif self._threads < self._most:
                self._threads += 1
                Thread(target=self._work, name=f"{self._name}-{self._threads}", daemon=True).start()
        return future

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, function, args, kwargs = job
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function(*args, **kwargs))
                except BaseException as error:
                    future.set_exception(error)
            del job, future, function, args, kwargs  # otherwise an idle thread would keep these objects alive
            with self._lock:
                self._idle += 1

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - the base class's
        """End each thread after its call, without waiting."""
        for _ in range(self._threads):
            self._jobs.put(None)
