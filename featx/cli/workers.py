"""The workers that ``--cluster`` names: processes of this machine, or those of a Dask or a Ray cluster."""

import re
import socket
import warnings
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import click

from featx import __version__
from featx.errors import FeatxError, InputError

WAIT = 10
"""Seconds that a cluster has to answer."""

_FOREIGN = {"distributed", "dask", "ray", "grpc"}  # whose errors are those of workers, not of featx


class Cluster(click.ParamType[Any]):
    """A number of processes here, or the address of a cluster."""

    name = "cluster"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Turn ``local:4`` into ("local", 4) and ``dask://host:8786`` into ("dask", "host:8786")."""
        local = re.fullmatch(r"local:([2-9]|[1-9]\d{1,3})", value, re.ASCII)
        there = re.fullmatch(r"(dask|ray)://([^/\s:]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5})/?", value, re.ASCII)
        if not (local or there):
            self.fail(
                f"{value!r} names no workers that this command can ask. Give local:2, two processes here, "
                "dask://host:8786, the scheduler of a Dask cluster, or ray://host:10001, the head of a Ray cluster.",
                param,
                ctx,
            )
        return ("local", int(local[1])) if local else (there[1], there[2])  # type: ignore[index] # one of them


cluster = click.option(
    "--cluster",
    type=Cluster(),
    metavar="WORKERS",
    help="Run the network in other processes: local:4 on this machine, dask://host:8786 or ray://host:10001.",
)


def check_cluster(cluster: tuple[str, Any] | None, jobs: int | None) -> None:
    """Refuse what does not go with other processes."""
    if cluster and jobs:
        raise click.UsageError(
            "--jobs counts the threads of this process, and with --cluster others do the work: leave one of them out."
        )


@contextmanager
def working(cluster: tuple[str, Any] | None) -> Iterator[None]:
    """Have images embedded by these workers in the block; by this process if there are none.

    Raises
    ------
    InputError
        If the engine is not installed, no cluster answers, or its workers cannot run featx, or die again and again.
    """
    if cluster is None:
        yield
        return
    from joblib import parallel_config

    kind, where = cluster
    try:
        with warnings.catch_warnings():
            # joblib renews a worker that has grown, by a network
            warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
            if kind == "local":
                with parallel_config(backend="loky", n_jobs=where):
                    yield
                return
            with {"dask": _dask, "ray": _ray}[kind](where) as backend, parallel_config(backend=backend):
                _check_version(where)
                yield
    except FeatxError:
        raise
    except BrokenProcessPool as error:
        raise InputError(
            "The processes die again and again, mostly for lack of memory: take fewer by --cluster. What they had "
            "finished is kept, and the same command goes on from there."
        ) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _FOREIGN:
            raise
        raise InputError(
            f"The workers of {kind}://{where} failed ({_line(error)}). What they had finished is kept, and the same "
            "command goes on from there."
        ) from error


@contextmanager
def _dask(address: str) -> Iterator[Any]:
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError("dask:// takes a package that is not installed: pip install distributed.") from error
    try:
        client: Any = Client(f"tcp://{address}", timeout=WAIT)  # type: ignore[no-untyped-call] # Dask has no types
    except OSError as error:  # a TimeoutError, too
        raise InputError(
            f"No Dask scheduler answers at {address}. Start one there by dask scheduler, and workers by dask worker."
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WAIT)
        except TimeoutError as error:
            raise InputError(
                f"The Dask scheduler at {address} has no workers. Start some by dask worker tcp://{address}."
            ) from error
        yield "dask"


@contextmanager
def _ray(address: str) -> Iterator[Any]:
    if not (find_spec("ray") and find_spec("grpc")):
        raise InputError("ray:// takes a package that is not installed: pip install 'ray[client]'.")
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), WAIT).close()  # Ray itself tries for a minute
    except (OSError, OverflowError) as error:
        raise InputError(
            f"No Ray cluster answers at {address}. Start one there by ray start --head --ray-client-server-port {port}."
        ) from error
    from featx.cli.on_ray import connect, disconnect

    try:
        backend = connect(address)
    except Exception as error:
        raise InputError(f"No connection with a Ray cluster at {address}: {_line(error)}") from error
    try:
        yield backend
    finally:
        disconnect()


def _check_version(where: str) -> None:
    """Refuse workers that have not this version of featx."""
    from joblib import Parallel, delayed

    try:
        (there,) = Parallel()(delayed(_version)() for _ in range(1))
    except Exception as error:
        raise InputError(
            f"The workers at {where} cannot run featx ({_line(error)}). Install featx {__version__} there, as here."
        ) from error
    if there != __version__:
        raise InputError(
            f"The workers at {where} have featx {there}, and here it is {__version__}. Install the same on both sides."
        )


def _version() -> str:
    return __version__


def _line(error: Exception) -> str:
    """Give what an error says on one line, and its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
