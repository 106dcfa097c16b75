"""Other ways of sending the same photographs over the same air samples: picture files, coded symbols, and bounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sdr_gsc.errors import PictureError, SettingsError
from sdr_gsc.link import PictureRequest, Prepared, gather, prepare
from sdr_gsc.phy.coding.mcs import MCS_TABLE
from sdr_gsc.semantic.bounds import capacity_bits, opta_psnr_db
from sdr_gsc.semantic.classical import decode_classical, encode_classical
from sdr_gsc.semantic.descriptor import Mapping
from sdr_gsc.semantic.rate import rate_by_cbr, symbols_per_picture
from sdr_gsc.semantic.values import Reception

from ..procedures.airing import Airing, exchange_over
from ..procedures.transmission import Bench, decode_all, is_received
from .decode_points import CHANNELS, Point, Sample, seeds_of
from .decode_quality import Reference

__all__ = ["CAPACITY", "CLASSICAL_FIXED", "CLASSICAL_ORACLE", "CODED_ORACLE", "FIXED_MCS", "Baselines", "schemes_below"]

CLASSICAL_FIXED, CLASSICAL_ORACLE = "classical, fixed MCS", "classical, oracle MCS"
CODED_ORACLE = "coded symbols, oracle MCS"
CAPACITY = "classical at capacity"
#: 16-QAM 1/2: two bits per symbol, for links of about 10 dB.
FIXED_MCS = 2


def schemes_below(esn0_db: float) -> tuple[int, ...]:
    """Coded schemes, the fastest first, that send no more bits per symbol than a channel of this Es/N0 can carry.

    The others cannot arrive, over fading neither: its capacity is lower than that of white noise of the same mean.

    >>> schemes_below(5.0)
    (2, 1, 0)
    """
    most = capacity_bits(1, esn0_db)
    return tuple(each.index for each in reversed(MCS_TABLE) if each.is_coded and each.bits_per_symbol <= most)


class Baselines:
    """The other ways of one photograph at one rate; each file is made once and sent at every point.

    Args:
        reference: the photograph.
        cbr: inverse payload channel bandwidth ratio, whose air samples the others get.
        bench: codec and waveform.
        seed: of the run.
    """

    def __init__(self, reference: Reference, cbr: int, bench: Bench, seed: int) -> None:
        self._reference, self._cbr, self._bench, self._seed = reference, cbr, bench, seed
        self._ready: dict[tuple[Mapping, int], Prepared | None] = {}

    def at(self, point: Point, repetition: int) -> Iterator[tuple[Sample, np.ndarray]]:
        """What arrives at a point by each way, with the pictures.

        The oracle knows the realization: `classical` gets the scheme with the least squared error among all that
        arrive, `coded` the fastest scheme of which every block arrives, or else the one of least squared error among
        those of which anything does.
        """
        schemes = schemes_below(point.esn0_db)
        files = {scheme: self._file(point, repetition, scheme) for scheme in {*schemes, FIXED_MCS}}
        arrived = {scheme: picture for scheme, picture in files.items() if picture is not None}
        yield self._sample(CLASSICAL_FIXED, point, repetition, files[FIXED_MCS], MCS_TABLE[FIXED_MCS].name)
        best = min(arrived, key=lambda scheme: self._error(arrived[scheme]), default=None)
        choice = "nothing arrives" if best is None else MCS_TABLE[best].name
        yield self._sample(CLASSICAL_ORACLE, point, repetition, None if best is None else arrived[best], choice)
        picture, choice = self._coded(point, repetition, schemes)
        yield self._sample(CODED_ORACLE, point, repetition, picture, choice)

    def capacity_picture(self, esn0_db: float) -> np.ndarray | None:
        """The best picture file in as many bytes as white noise of this Es/N0 lets through; None where none fits."""
        picture = self._reference.picture
        try:
            found = encode_classical(picture, int(self._capacity_bits(esn0_db) // 8))
        except PictureError:
            return None
        return decode_classical(found.data, *picture.shape[:2])

    def opta_psnr_db(self, esn0_db: float) -> float:
        """PSNR of a Gaussian source like this photograph at the capacity of white noise of this Es/N0."""
        return opta_psnr_db(self._bench.codec.encoder, self._reference.picture, self._capacity_bits(esn0_db))

    def _capacity_bits(self, esn0_db: float) -> float:
        height, width = self._reference.picture.shape[:2]
        return capacity_bits(symbols_per_picture(height, width, rate_by_cbr(self._cbr)), esn0_db)

    def _sample(
        self, series: str, point: Point, repetition: int, picture: np.ndarray | None, choice: str
    ) -> tuple[Sample, np.ndarray]:
        received = picture is not None
        shown = np.full_like(self._reference.picture, 0.5) if picture is None else picture
        quality = self._reference.judge(shown)
        return Sample(series, point, self._reference.name, repetition, quality, received, choice=choice), shown

    def _file(self, point: Point, repetition: int, scheme: int) -> np.ndarray | None:
        reception = self._received(Mapping.CLASSICAL, point, repetition, scheme)
        if reception is None or reception.payload is None:
            return None
        return decode_classical(reception.payload, *self._reference.picture.shape[:2])

    def _coded(self, point: Point, repetition: int, schemes: Sequence[int]) -> tuple[np.ndarray | None, str]:
        found: list[tuple[float, int, np.ndarray]] = []
        for scheme in schemes:
            reception = self._received(Mapping.CODED, point, repetition, scheme)
            if reception is None or not is_received(reception):
                continue
            decoder = self._bench.decoders(("mmse",))
            seeds = seeds_of(self._seed, CHANNELS[point.channel], self._reference.name, repetition)
            decoded = decode_all(reception, Mapping.CODED.value, decoder, seeds, self._bench.codec.device)["mmse"]
            if decoded is None:
                continue
            picture = np.ascontiguousarray(decoded.picture)
            if np.isfinite(reception.noise_variance).all():
                return picture, MCS_TABLE[scheme].name
            found.append((self._error(picture), scheme, picture))
        if not found:
            return None, "nothing arrives"
        _, scheme, picture = min(found, key=lambda each: each[0])
        return picture, f"{MCS_TABLE[scheme].name}, in part"

    def _error(self, picture: np.ndarray) -> float:
        return float(np.mean((picture - self._reference.picture) ** 2))

    def _received(self, mapping: Mapping, point: Point, repetition: int, scheme: int) -> Reception | None:
        """What arrives of the photograph in a scheme; None where it does not fit or its header is lost."""
        if (mapping, scheme) not in self._ready:
            self._ready[mapping, scheme] = self._prepare(mapping, scheme)
        ready = self._ready[mapping, scheme]
        if ready is None:
            return None
        channel = CHANNELS[point.channel]
        seeds = seeds_of(self._seed, channel, self._reference.name, repetition)
        airing = Airing(channel.radio, esn0_db=point.esn0_db)
        capture, _ = exchange_over(airing, ready, seeds.generator("channel"))
        reception = gather(capture, self._bench.receiver)
        return reception if reception.descriptor == ready.descriptor else None

    def _prepare(self, mapping: Mapping, scheme: int) -> Prepared | None:
        request = PictureRequest(mapping=mapping, rate=rate_by_cbr(self._cbr), mcs=scheme)
        try:
            return prepare(self._reference.picture, request, self._bench.codec, self._bench.transmitter)
        except (PictureError, SettingsError):
            # Not even the smallest file, or not one block, fits in this scheme.
            return None
