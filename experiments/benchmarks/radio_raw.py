"""What a capture costs where the vendor's own library is called and nothing else: the anchor of our drivers."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from hardware.vendor.interpreter import interpreter, worker_environment
from sdr_gsc.errors import SdrGscError

__all__ = ["raw_pluto_capture_s", "raw_usrp_capture_s"]

_USRP_PROGRAM = Path(__file__).with_name("radio_raw_usrp.py")
_LIMIT_S = 120.0


def raw_pluto_capture_s(address: str, *, rate_hz: float, n_samples: int, repetitions: int) -> float:
    """CPU seconds of one fresh capture through pyadi-iio, a new buffer each time as stale samples demand.

    Args:
        address: of libiio, such as ip:127.0.0.1:30431.
        rate_hz: sample rate.
        n_samples: of a capture.
        repetitions: of which the mean is taken.
    """
    import adi

    device = adi.Pluto(uri=address)
    try:
        device.sample_rate = int(rate_hz)
        device.gain_control_mode_chan0 = "manual"
        device.rx_buffer_size = n_samples
        device.rx()
        device.rx_destroy_buffer()
        began = time.process_time()
        for _ in range(repetitions):
            device.rx()
            device.rx_destroy_buffer()
        return (time.process_time() - began) / repetitions
    finally:
        device.rx_destroy_buffer()
        # The context must not reach the garbage collector before its buffers: pylibiio would crash.
        context = device._ctx  # noqa: SLF001
        context.__del__()
        context._context = None  # noqa: SLF001


def raw_usrp_capture_s(arguments: str, *, rate_hz: float, n_samples: int, repetitions: int) -> float:
    """CPU seconds of one timed capture through libuhd's own Python interface, under the interpreter that has it.

    Args:
        arguments: device arguments.
        rate_hz: sample rate.
        n_samples: of a capture.
        repetitions: of which the mean is taken.

    Raises:
        SdrGscError: the library failed.
    """
    request = json.dumps([arguments, rate_hz, n_samples, repetitions])
    done = subprocess.run(
        [interpreter(), "-E", "-s", str(_USRP_PROGRAM), request],
        capture_output=True, text=True, timeout=_LIMIT_S, check=False, env=worker_environment(),
    )  # fmt: skip
    if done.returncode:
        raise SdrGscError(f"libuhd alone: {' '.join(done.stderr.split())[-300:]}")
    return float(json.loads(done.stdout.splitlines()[-1]))
