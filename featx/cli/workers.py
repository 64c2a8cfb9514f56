"""The workers that ``--cluster`` names: processes of this machine, or those of a Dask cluster."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from featx.errors import InputError

WAIT = 10
"""Seconds that a scheduler has to answer."""


class Cluster(click.ParamType[Any]):
    """A number of processes here, or the address of a scheduler."""

    name = "cluster"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Turn ``local:4`` into ("local", 4) and ``dask://host:8786`` into ("dask", "host:8786")."""
        match = re.fullmatch(r"local:(?P<local>[1-9]\d{0,3})|dask://(?P<dask>[^/\s]+:\d+)/?", value, re.ASCII)
        if not match:
            advice = (
                "Give local:4, four processes here, or dask://host:8786, the scheduler of a Dask cluster."
            )
            if value.startswith("ray:"):
                advice = "Those of Ray are reached from Python, by a featx.embedding.Embedder."
            self.fail(f"{value!r} names no workers that this command can ask. {advice}", param, ctx)
        return ("local", int(match["local"])) if match["local"] else ("dask", match["dask"])


cluster = click.option(
    "--cluster",
    type=Cluster(),
    metavar="WORKERS",
    help="Run the network in other processes: local:4 on this machine, or dask://host:8786 on a cluster.",
)


@contextmanager
def working(cluster: tuple[str, Any] | None) -> Iterator[None]:
    """Have images embedded by these workers in the block; by this process if there are none.

    Raises
    ------
    InputError
        If Dask is not installed, or no scheduler answers.
    """
    from joblib import parallel_config

    if cluster is None:
        yield
        return
    kind, where = cluster
    if kind == "local":
        with parallel_config(backend="loky", n_jobs=where):
            yield
        return
    with _client(where), parallel_config(backend="dask"):
        yield


def _client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError("dask:// takes a package that is not installed: pip install distributed.") from error
    try:
        return Client(f"tcp://{address}", timeout=WAIT)  # type: ignore[no-untyped-call] # Dask has no types
    except OSError as error:  # a TimeoutError, too
        raise InputError(
            f"No Dask scheduler answers at {address}. Start one there by dask scheduler, and workers by dask worker."
        ) from error
