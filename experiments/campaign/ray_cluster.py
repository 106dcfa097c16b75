"""The way into a Ray cluster, and out of it: an error within seconds where none answers."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sdr_gsc.errors import SdrGscError, SettingsError

from .local import default_workers

__all__ = ["ClusterError", "connected", "loopback_allowed"]

_LOOPBACK = "127.0.0.1"
_ANSWER_S = 5.0
# A head speaks HTTP/2, and greets whoever opens a connection with its settings (RFC 9113, 3.4 and 4.1).
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_FRAME_HEAD, _SETTINGS = 9, 4


class ClusterError(SdrGscError):
    """A Ray cluster that cannot run trials."""


@contextmanager
def connected(address: str | None, resources: Mapping[str, float]) -> Iterator[str]:
    """Join a cluster as its driver, or have one on this machine's loopback interface for as long as the context lasts.

    Args:
        address: ``HOST:PORT`` of the head, or ``auto``; None starts a cluster of one node, which ends with the context.
        resources: that the cluster of one node offers.

    Yields:
        The address, such as other nodes join it with.

    Raises:
        SettingsError: Ray is missing, or the address is none.
        ClusterError: nothing answers there, or this machine is no node of it.
    """
    if importlib.util.find_spec("ray") is None:
        raise SettingsError("--engine ray needs Ray: pip install 'sdr-gsc[ray]'")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    # Of its options, some that are needed here are not declared.
    begin: Any = ray.init
    if ray.is_initialized():
        raise ClusterError("this process is connected to a Ray cluster already; call ray.shutdown() first")
    found = f"{_LOOPBACK}:0" if address is None else _answering(address)
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    try:
        with _own_handler():
            try:
                with loopback_allowed(found.startswith(f"{_LOOPBACK}:")):
                    if address is None:
                        here = {"num_cpus": default_workers(), "resources": dict(resources)}
                        begin("local", _node_ip_address=_LOOPBACK, **here, **quiet)
                    else:
                        begin(found, **quiet)
            except (ConnectionError, RuntimeError, ValueError, OSError) as error:
                cause = " ".join(str(error).split())
                if address is None:
                    raise ClusterError(f"Ray cannot start on this machine: {cause}") from error
                raise ClusterError(
                    f"Ray answers at {address}, but lets this machine not in: {cause} The machine must be a node, with "
                    f"the same versions of Python and Ray: ray start --address={found} --num-cpus=0"
                ) from error
        _silence()
        yield ray.get_runtime_context().gcs_address
    finally:
        ray.shutdown()


@contextmanager
def _own_handler() -> Iterator[None]:
    """Keep this process's answer to SIGTERM, which Ray replaces."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


@contextmanager
def loopback_allowed(allowed: bool = True) -> Iterator[None]:
    """Have Ray believe 127.0.0.1, and listen nowhere else.

    Ray takes it for a mistake, replaces it by the machine's address in the network, and then listens at all addresses.
    """
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = before and not allowed
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _silence() -> None:
    """End the thread that prints on stdout, among the results, the last words of every node that dies."""
    from ray._private.worker import global_worker

    driver: Any = global_worker
    listener = getattr(driver, "listener_thread", None)
    if listener is not None:
        driver.threads_stopped.set()
        driver.gcs_error_subscriber.close()
        listener.join()
        driver.threads_stopped.clear()


def _answering(address: str) -> str:
    """Where a cluster answers now; Ray itself would try for minutes."""
    from ray._private.services import canonicalize_bootstrap_address_or_die

    remedy = "start one with ray start --head, or leave out --address"
    if address.startswith("ray://"):
        raise SettingsError(
            f"--address is {address}; trials need a node of the cluster on this machine, not Ray's client: "
            "ray start --address=HOST:6379 --num-cpus=0, then --address HOST:6379"
        )
    try:
        # A cluster of this machine listens at its address in the network, or at 127.0.0.1 alone.
        with loopback_allowed():
            plain = str(canonicalize_bootstrap_address_or_die(address))
        found = str(canonicalize_bootstrap_address_or_die(address))
        places = [(place, *_split(place)) for place in dict.fromkeys((found, plain))]
    except ConnectionError as error:
        raise ClusterError(f"Ray does not answer at {address}: none was started on this machine; {remedy}") from error
    except (ValueError, OSError) as error:
        raise SettingsError(f"--address is {address!r}; needed HOST:PORT of a Ray cluster, or auto") from error
    cause = ""
    for place, host, port in places:
        try:
            with socket.create_connection((host, port), timeout=_ANSWER_S) as line:
                line.sendall(_HELLO)
                answer = line.recv(_FRAME_HEAD, socket.MSG_WAITALL)
        except (OSError, OverflowError) as error:
            cause = str(error)
            continue
        if len(answer) == _FRAME_HEAD and answer[3] == _SETTINGS:
            return place
        cause = "what answers is not Ray"
    raise ClusterError(f"Ray does not answer at {address} ({cause}); {remedy}")


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
