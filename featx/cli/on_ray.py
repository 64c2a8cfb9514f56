"""The workers of a Ray cluster as joblib's: each task is one of Ray's, which does it again where a worker died.

What Ray itself registers with joblib is a pool of actors, which gives nothing before all is done and fails with any of
them.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from joblib.parallel import ParallelBackendBase


def connect(address: str) -> "OnRay":
    """Give the workers of the cluster whose head is at ``host:port``; raises whatever Ray raises where it cannot."""
    import ray

    for again in (True, True, False):
        try:
            ray.init(f"ray://{address}", logging_level=logging.ERROR, log_to_driver=False)
            break
        except Exception as error:
            # the head forks a server for each client while its threads call gRPC, and some forks fail
            if not (again and "client server failed" in str(error)):
                raise
    return OnRay()


def disconnect() -> None:
    """Leave the cluster, and end what still runs there for this process."""
    import ray

    ray.shutdown()


class OnRay(ParallelBackendBase):  # type: ignore[misc] # joblib has no types
    """A backend of joblib. A thread tells it what is done, since it then starts more, and a thread of Ray must not."""

    supports_retrieve_callback = True

    def __init__(self, nesting_level: int | None = 0, **choices: Any) -> None:
        import ray

        super().__init__(nesting_level=nesting_level, **choices)
        self._task: Any = ray.remote(_call)
        self._telling: ThreadPoolExecutor | None = None

    def effective_n_jobs(self, n_jobs: int | None) -> int:  # noqa: ARG002, D102 - joblib's, as the others
        import ray

        resources: Any = ray.cluster_resources
        return max(2, int(resources().get("CPU", 0)))  # for a single one joblib would do the work here

    def submit(self, func: Callable[[], Any], callback: Callable[[Any], None] | None = None) -> Future[Any]:  # noqa: D102
        self._telling = self._telling or ThreadPoolExecutor(1)
        future: Future[Any] = self._task.remote(func).future()
        if callback:
            future.add_done_callback(partial(_tell, self._telling, callback))
        return future

    def retrieve_result_callback(self, out: Future[Any]) -> Any:  # noqa: D102
        import ray

        try:
            return out.result()
        except ray.exceptions.RayTaskError as error:  # says what was raised there, and where, on many lines
            raise error.cause from None

    def terminate(self) -> None:  # noqa: D102
        if self._telling:
            self._telling.shutdown(wait=False, cancel_futures=True)
        self._telling = None

    def abort_everything(self, ensure_ready: bool = True) -> None:  # noqa: ARG002, D102
        self.terminate()


def _tell(telling: ThreadPoolExecutor, callback: Callable[[Any], None], done: Future[Any]) -> None:
    with suppress(RuntimeError):  # nobody waits for it any more
        telling.submit(callback, done)


def _call(func: Callable[[], Any]) -> Any:
    return func()
