"""The real libuhd, commanded over a pipe: one JSON object a line, answered by one. Runs under the system's Python.

Lives apart from the tests' process: libuhd needs an older numpy, and it blocks when its device dies.
"""

import base64
import json
import sys
import time

import numpy as np
import uhd

types = uhd.types


def pack(samples):
    return {"shape": samples.shape, "data": base64.b64encode(samples.astype(np.complex64).tobytes()).decode()}


def unpack(packed):
    return np.frombuffer(base64.b64decode(packed["data"]), np.complex64).reshape(packed["shape"])


def plain(value):
    """Value of libuhd's types as JSON has it."""
    if isinstance(value, types.TimeSpec):
        return value.get_real_secs()
    if hasattr(value, "to_pp_string"):
        return str(value)
    if hasattr(value, "value") and hasattr(value, "type"):
        return {"name": value.name, "value": value.value}
    return value


class Session:
    """One MultiUSRP and its streamers."""

    def __init__(self):
        self.usrp = None
        self.streamers = {}

    def find(self, arguments):
        return [dict(found.to_dict()) for found in uhd.find(arguments)]

    def make(self, arguments):
        begin = time.monotonic()
        self.usrp = uhd.usrp.MultiUSRP(arguments)
        return time.monotonic() - begin

    def release(self):
        begin = time.monotonic()
        self.streamers.clear()
        self.usrp = None
        return time.monotonic() - begin

    def call(self, method, *arguments):
        return plain(getattr(self.usrp, method)(*arguments))

    def sensor(self, method, *arguments):
        sensor = getattr(self.usrp, method)(*arguments)
        return sensor.value

    def tune(self, frequency_hz, channels):
        for channel in channels:
            self.usrp.set_rx_freq(types.TuneRequest(frequency_hz), channel)
            self.usrp.set_tx_freq(types.TuneRequest(frequency_hz), channel)
        return [self.usrp.get_rx_freq(0), self.usrp.get_tx_freq(0)]

    def set_time(self, seconds, next_pulse=False):
        set_time = self.usrp.set_time_next_pps if next_pulse else self.usrp.set_time_now
        set_time(types.TimeSpec(seconds))

    def configure(self, rate_hz, frequency_hz, tx_gain_db, rx_gain_db, channels=(0,)):
        """Settings, read back; streamers of other channels are dropped first."""
        if any(key[1] != tuple(channels) for key in self.streamers):
            self.streamers.clear()
        usrp = self.usrp
        usrp.set_rx_rate(rate_hz)
        usrp.set_tx_rate(rate_hz)
        self.tune(frequency_hz, channels)
        for channel in channels:
            usrp.set_rx_gain(rx_gain_db, channel)
            usrp.set_tx_gain(tx_gain_db, channel)
        return {
            "rx_rate": usrp.get_rx_rate(0),
            "tx_rate": usrp.get_tx_rate(0),
            "rx_frequency": usrp.get_rx_freq(0),
            "tx_frequency": usrp.get_tx_freq(0),
            "rx_gain": usrp.get_rx_gain(0),
            "tx_gain": usrp.get_tx_gain(0),
        }

    def streamer(self, direction, channels):
        key = direction, tuple(channels)
        if key not in self.streamers:
            arguments = uhd.usrp.StreamArgs("fc32", "sc16")
            arguments.channels = list(channels)
            make = self.usrp.get_rx_stream if direction == "rx" else self.usrp.get_tx_stream
            self.streamers[key] = make(arguments)
        return self.streamers[key]

    def now(self):
        return self.usrp.get_time_now().get_real_secs()

    def issue(self, rx, mode, at_s=None, n_samples=0):
        command = types.StreamCMD(getattr(types.StreamMode, mode))
        command.num_samps = n_samples
        command.stream_now = at_s is None
        if at_s is not None:
            command.time_spec = types.TimeSpec(at_s)
        rx.issue_stream_cmd(command)

    def read(self, rx, n_channels, n_samples, timeout_s, piece=20000):
        """Receive to the end of the burst or to the first error."""
        metadata, parts, got, first_s = types.RXMetadata(), [], 0, None
        error, sequence = "none", False
        while got < n_samples:
            buffer = np.zeros((n_channels, min(piece, n_samples - got)), np.complex64)
            count = rx.recv(buffer, metadata, timeout_s)
            error, sequence = metadata.error_code.name, metadata.out_of_sequence
            if count and first_s is None:
                first_s = metadata.time_spec.get_real_secs()
            parts.append(buffer[:, :count])
            got += count
            if error != "none" or metadata.end_of_burst:
                break
        samples = np.concatenate(parts, axis=1) if parts else np.zeros((n_channels, 0))
        return {"samples": samples, "first_s": first_s, "error": error, "out_of_sequence": sequence}

    def send(self, tx, samples, at_s, end, timeout_s=5.0):
        metadata = types.TXMetadata()
        metadata.start_of_burst, metadata.end_of_burst = True, end
        metadata.has_time_spec = at_s is not None
        if at_s is not None:
            metadata.time_spec = types.TimeSpec(at_s)
        return tx.send(np.ascontiguousarray(samples, np.complex64), metadata, timeout_s)

    def events(self, tx, n_events=1, timeout_s=2.0):
        message, found = types.TXAsyncMetadata(), []
        while len(found) < n_events and tx.recv_async_msg(message, timeout_s):
            found.append(message.event_code.name)
        return found

    def burst(self, samples, n_receive, lead_s=0.25, offset_s=0.0, channels=(0,)):
        """A timed burst next to a timed capture that begins `offset_s` earlier."""
        rx, tx = self.streamer("rx", channels), self.streamer("tx", channels)
        at_s = self.now() + lead_s
        begin = time.monotonic()
        self.issue(rx, "num_done", at_s, n_receive)
        sent = self.send(tx, unpack(samples), at_s + offset_s, end=True)
        received = self.read(rx, len(channels), n_receive, lead_s + 0.5)
        events = self.events(tx)
        return {
            **received,
            "samples": pack(received["samples"]),
            "sent": sent,
            "at_s": at_s,
            "events": events,
            "elapsed_s": time.monotonic() - begin,
        }

    def transmit(self, n_samples, after_s=None, end=True, n_events=1, timeout_s=1.0):
        """A burst of a constant; `after_s` from now, or untimed."""
        tx = self.streamer("tx", (0,))
        samples = np.full((1, n_samples), 0.5, np.complex64)
        # The clock is read last: making many samples takes longer than a short lead.
        at_s = None if after_s is None else self.now() + after_s
        sent = self.send(tx, samples, at_s, end)
        return {"sent": sent, "events": self.events(tx, n_events, timeout_s)}

    def capture(self, n_samples, after_s=0.2, timeout_s=0.5):
        rx = self.streamer("rx", (0,))
        self.issue(rx, "num_done", None if after_s is None else self.now() + after_s, n_samples)
        received = self.read(rx, 1, n_samples, timeout_s)
        return {**received, "samples": received["samples"].shape[1]}

    def stream(self, seconds, channels=(0,)):
        """Receive without end for a while: samples, gaps in their times, errors.

        Whole packets are read: libuhd 4.3 takes the times of others' parts for those of its first sample rate.
        """
        rx = self.streamer("rx", channels)
        rate = self.usrp.get_rx_rate(0)
        piece = 10 * rx.get_max_num_samps()
        metadata, buffer = types.RXMetadata(), np.zeros((len(channels), piece), np.complex64)
        self.issue(rx, "start_cont", self.now() + 0.05 if len(channels) > 1 else None)
        end = time.monotonic() + seconds
        cpu, expected, count, gaps, errors, out_of_sequence = time.process_time(), None, 0, [], {}, 0
        while time.monotonic() < end:
            got = rx.recv(buffer, metadata, 0.5)
            name = metadata.error_code.name
            if name != "none":
                errors[name] = errors.get(name, 0) + 1
                out_of_sequence += metadata.out_of_sequence
            if got:
                ticks = metadata.time_spec.to_ticks(rate)
                if expected is not None and ticks != expected:
                    gaps.append(ticks - expected)
                expected = ticks + got
                count += got
        cpu = time.process_time() - cpu
        self.issue(rx, "stop_cont")
        tail, quiet = 0, 0
        while quiet < 1:
            got = rx.recv(buffer, metadata, 0.2)
            tail += got
            quiet += metadata.error_code.name == "timeout" or metadata.end_of_burst
        ended = metadata.end_of_burst
        return {"count": count, "gaps": gaps, "errors": errors, "out_of_sequence": out_of_sequence, "cpu_s": cpu,
                "tail": tail, "ended": ended}  # fmt: skip

    def stall(self, seconds):
        """Start a reception, do not read for a while, then report the first things read."""
        rx = self.streamer("rx", (0,))
        self.issue(rx, "start_cont")
        time.sleep(seconds)
        found, metadata, buffer = [], types.RXMetadata(), np.zeros((1, 100000), np.complex64)
        end = time.monotonic() + 2.0
        while time.monotonic() < end and "overflow" not in found:
            rx.recv(buffer, metadata, 0.5)
            found.append(metadata.error_code.name)
        after = rx.recv(buffer, metadata, 1.0)
        self.issue(rx, "stop_cont")
        while rx.recv(buffer, metadata, 0.2):
            pass
        return {"overflow": "overflow" in found, "after": after}

    def pressure(self, seconds, piece=20000):
        """Send one long timed burst as fast as the device takes it."""
        tx = self.streamer("tx", (0,))
        metadata, samples = types.TXMetadata(), np.zeros((1, piece), np.complex64)
        metadata.start_of_burst = metadata.has_time_spec = True
        metadata.time_spec = types.TimeSpec(self.now() + 0.1)
        begin, cpu, sent = time.monotonic(), time.process_time(), 0
        while (elapsed := time.monotonic() - begin) < seconds:
            sent += tx.send(samples, metadata, 1.0)
            metadata.start_of_burst = metadata.has_time_spec = False
        cpu = time.process_time() - cpu
        metadata.end_of_burst = True
        tx.send(np.zeros((1, 1), np.complex64), metadata, 1.0)
        return {"sent": sent, "elapsed_s": elapsed, "cpu_s": cpu, "events": self.events(tx)}

    def drain(self):
        """Leave nothing behind for the next test."""
        metadata, buffer = types.RXMetadata(), np.zeros((2, 100000), np.complex64)
        for (direction, channels), streamer in self.streamers.items():
            if direction == "tx":
                self.events(streamer, 100, 0.01)
            else:
                while streamer.recv(buffer[: len(channels)], metadata, 0.05):
                    pass


def main():
    session = Session()
    for line in sys.stdin:
        name, arguments, keywords = json.loads(line)
        try:
            answer = {"result": getattr(session, name)(*arguments, **keywords)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print("\x1e" + json.dumps(answer), flush=True)  # libuhd prints lines of its own


main()
