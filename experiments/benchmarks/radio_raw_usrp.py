"""Runs under the interpreter that has libuhd: CPU seconds of a timed capture, nothing around it.

python3 radio_raw_usrp.py '[device arguments, sample rate, samples, repetitions]'
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np


def main() -> None:
    """Measure and print."""
    import uhd

    arguments, rate_hz, n_samples, repetitions = json.loads(sys.argv[1])
    device = uhd.usrp.MultiUSRP(arguments)
    device.set_rx_rate(rate_hz, 0)
    options = uhd.usrp.StreamArgs("fc32", "sc16")
    options.channels = [0]
    streamer = device.get_rx_stream(options)
    _capture(uhd, device, streamer, n_samples)
    began = time.process_time()
    for _ in range(repetitions):
        _capture(uhd, device, streamer, n_samples)
    print(json.dumps((time.process_time() - began) / repetitions))
    del streamer, device  # in this order


def _capture(uhd: Any, device: Any, streamer: Any, n_samples: int) -> np.ndarray:  # noqa: ANN401 - no types there
    command = uhd.types.StreamCMD(uhd.types.StreamMode.num_done)
    command.num_samps = n_samples
    command.stream_now = False
    command.time_spec = uhd.types.TimeSpec(device.get_time_now().get_real_secs() + 0.1)
    streamer.issue_stream_cmd(command)
    piece, metadata = np.empty((1, streamer.get_max_num_samps()), np.complex64), uhd.types.RXMetadata()
    out, done = np.empty(n_samples, np.complex64), 0
    while done < n_samples:
        got = streamer.recv(piece, metadata, 1.0)
        if got == 0:
            raise RuntimeError(f"no samples: {metadata.error_code.name}")
        out[done : done + got] = piece[0, :got]
        done += got
    return out


if __name__ == "__main__":
    main()
