"""Starting Ray, or attaching to it, and leaving nothing behind."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from mvi_ray.cluster.processes import end_all, end_unneeded, processes_of
from mvi_ray.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOG = logging.getLogger("mvi_ray")

# One thread in every library: tasks fill the cores, and SimpleITK ignores OMP_NUM_THREADS.
THREADS = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
    ),
    "1",
)

# Rows are kilobytes and volumes are read from files: the default of 30 % of memory is waste.
_OBJECT_STORE_BYTES = 256 * 1024 * 1024
_STARTS = 2
_REACH_S = 10.0
_PREFIX, _LOCK = "mvi-ray-", "mvi.lock"
_YOUNG_S = 60.0
# Ray reads a token once in the life of a process.
_TOKEN = secrets.token_hex(32)


@dataclass(frozen=True, slots=True)
class Resources:
    """What the cluster offers.

    Args:
        cpus, gpus: whole devices.
        own: whether it is a local instance that ends with the session.
    """

    cpus: int
    gpus: int
    own: bool = False


@contextmanager
def ray_session(cpus: int | None = None, address: str | None = None) -> Iterator[Resources]:
    """Use a cluster at an address, or an own local instance that ends with this context.

    Args:
        cpus: cores of a local instance; all by default.
        address: of a running cluster; `RAY_ADDRESS` when None. A bare ``ray.init`` might attach
            to somebody else's instance on a shared machine, so without either one is started.

    Raises:
        ClusterError: Ray cannot be started or reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # On by default, this may upload the working directory.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    if ray.is_initialized():
        raise ClusterError("this process uses Ray already; call ray.shutdown() first")
    target = address or os.environ.get("RAY_ADDRESS") or "local"
    _check_reachable(target)
    own = target == "local"
    with (
        _own_folder() if own else nullcontext() as folder,
        _own_token() if own else nullcontext(),
        _results_only_on_stdout(),
        _handlers_kept(),
    ):
        try:
            _start(target, cpus, folder)
            _stop_as_on_ctrl_c()
            if folder:
                end_unneeded(folder)
            offered = ray.cluster_resources()
            yield Resources(int(offered.get("CPU", 1)), int(offered.get("GPU", 0)), own)
        finally:
            left = processes_of(folder) if folder else ()
            try:
                ray.shutdown()
            finally:
                end_all(left)


def _check_reachable(target: str) -> None:
    """Ray itself tries for more than eight minutes to reach an address where nobody listens."""
    host, _, port = target.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit()):
        return  # "local", "auto", or a scheme that Ray knows
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_S).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"Ray could not be reached at {target}: {error}; check the address, and that the cluster runs"
        ) from None


@contextmanager
def _own_folder() -> Iterator[str]:
    """A short folder for Ray's sockets and logs, locked for as long as this process lives.

    Socket paths may not exceed 107 bytes, so it lies in /tmp itself. Folders of processes
    that were killed before they could tidy up are removed: nobody holds their lock.
    """
    for left in Path("/tmp").glob(f"{_PREFIX}*"):  # noqa: S108 - see above
        with suppress(OSError, Timeout):
            # A folder this young may not have its lock yet.
            if time.time() - left.stat().st_mtime > _YOUNG_S:
                with FileLock(left / _LOCK, timeout=0):
                    shutil.rmtree(left, ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=_PREFIX, dir="/tmp")
    try:
        with FileLock(Path(folder) / _LOCK):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _own_token() -> Iterator[None]:
    """A password for an own instance, known to its processes alone.

    Without one Ray writes ``~/.ray/auth_token``, and a cluster that is started later on this
    machine would demand it of nodes that do not have it. A token that is there is used.
    """
    before = {name: os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_MODE")}
    there = before["RAY_AUTH_TOKEN"] or os.environ.get("RAY_AUTH_TOKEN_PATH")
    if not (there or _token_of_user().exists()):
        os.environ["RAY_AUTH_TOKEN"] = _TOKEN
    try:
        yield
    finally:
        # Ray itself sets the mode.
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _token_of_user() -> Path:
    return Path.home() / ".ray" / "auth_token"


def _start(target: str, cpus: int | None, folder: str | None) -> None:
    import ray

    local = {
        "num_cpus": cpus,
        "include_dashboard": False,
        "object_store_memory": _OBJECT_STORE_BYTES,
        "_temp_dir": folder,
    }
    for attempt in range(1, _STARTS + 1):
        try:
            ray.init(
                address=target,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": THREADS},
                **(local if target == "local" else {}),
            )
        except (RuntimeError, ConnectionError, ValueError) as error:
            ray.shutdown()
            # A loaded machine can miss Ray's fixed limit for its own start.
            if attempt == _STARTS or target != "local":
                raise ClusterError(
                    f"Ray could not be {'started' if target == 'local' else 'reached'}: {error}; "
                    "check memory and disk space in /tmp, or the address"
                ) from None
            _LOG.warning("Ray did not start in time; trying once more")
        else:
            return


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Leave a caller's own handlers of signals as they were: it may go on after this session."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None is a handler that was not set from Python, and cannot be.
            if handler is not None:
                signal.signal(number, handler)


def _stop_as_on_ctrl_c() -> None:
    """Let a batch system's SIGTERM and a closed terminal's SIGHUP end the work like Ctrl-C.

    After Ray's start, which sets a handler of its own that ends without a commit.
    """

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)
        # A command under nohup goes on when its terminal closes.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, stop)


@contextmanager
def _results_only_on_stdout() -> Iterator[None]:
    """Send what Ray's processes print to stderr: stdout carries results."""
    try:
        kept = os.dup(1)
    except OSError:  # closed by the caller
        yield
        return
    sys.stdout.flush()
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
