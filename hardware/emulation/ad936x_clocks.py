"""Rates and frequencies that an AD936x can make: what is asked for, and what its dividers and synthesizers give."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["REFERENCE_HZ", "ClockChain", "clock_chain", "synthesized_hz"]

REFERENCE_HZ = 40_000_000

# Total division from converter to baseband and the three half-band stages that make it, the finest oversampling first.
_DIVISIONS = ((12, 3, 2, 2), (8, 2, 2, 2), (6, 3, 2, 1), (4, 2, 2, 1), (3, 3, 1, 1), (2, 2, 1, 1), (1, 1, 1, 1))
_BASEBAND_PLL_HZ = (715_000_000, 1_430_000_000)
_BASEBAND_PLL_MODULUS = 2_088_960
_ADC_HZ = (25_000_000, 640_000_000)
_DAC_TOP_HZ = 320_000_000
_TOP_RATE_HZ = 61_440_000
_VCO_FLOOR_HZ = 6_000_000_000
_SYNTHESIZER_MODULUS = 8_388_593


@dataclass(frozen=True, slots=True)
class ClockChain:
    """Clocks between the baseband PLL and the samples.

    Attributes:
        sample_rate_hz: of the samples, as the hardware makes it.
        receive_hz: PLL, converter, three half-band stages, samples.
        transmit_hz: likewise.
    """

    sample_rate_hz: int
    receive_hz: tuple[int, ...]
    transmit_hz: tuple[int, ...]

    @property
    def longest_fir(self) -> int:
        """Taps that the FIR can compute per sample, the slower of both directions."""
        slower = min(self.receive_hz[1], self.transmit_hz[1])
        return min(128, 16 * (slower // self.sample_rate_hz))

    def receive_text(self) -> str:
        """As the attribute rx_path_rates shows it."""
        return _text(("BBPLL", "ADC", "R2", "R1", "RF", "RXSAMP"), self.receive_hz)

    def transmit_text(self) -> str:
        """As the attribute tx_path_rates shows it."""
        return _text(("BBPLL", "DAC", "T2", "T1", "TF", "TXSAMP"), self.transmit_hz)


def _text(names: tuple[str, ...], rates: tuple[int, ...]) -> str:
    return " ".join(f"{name}:{rate}" for name, rate in zip(names, rates, strict=True))


def _stages(pll: float, converter: float, fir_factor: int, rate: float, total: int) -> tuple[int, ...]:
    _, first, second, _ = next(division for division in _DIVISIONS if division[0] == total)
    return tuple(
        int(hz) for hz in (pll, converter, converter / first, converter / (first * second), rate * fir_factor, rate)
    )


def clock_chain(rate_hz: int, fir_factor: int) -> ClockChain | None:
    """Clocks for a sample rate.

    Args:
        rate_hz: asked for.
        fir_factor: decimation and interpolation of the FIR, 1, 2 or 4; 1 while it is off.

    Returns:
        The chain, or None where the hardware has none.

    Examples:
        >>> clock_chain(30_720_000, 1).receive_text()
        'BBPLL:983040000 ADC:245760000 R2:122880000 R1:61440000 RF:30720000 RXSAMP:30720000'
        >>> clock_chain(1_000_000, 1) is None, clock_chain(1_000_000, 4).sample_rate_hz
        (True, 1000000)
    """
    if not 0 < rate_hz <= _TOP_RATE_HZ:
        return None
    baseband = rate_hz * fir_factor
    # The slowest rates are no whole numbers of hertz; cut to whole ones, they must be good to be asked for again.
    slack = 24 * fir_factor
    for total, *_ in _DIVISIONS if baseband * 8 < _ADC_HZ[0] else _DIVISIONS[1:]:
        adc = baseband * total
        if not _ADC_HZ[0] - slack <= adc <= _ADC_HZ[1]:
            continue
        halves_dac = adc > _DAC_TOP_HZ
        if halves_dac and total % 2:
            continue
        pll_factor = 1
        while adc * pll_factor < _BASEBAND_PLL_HZ[0]:
            pll_factor *= 2
        steps = round(adc * pll_factor * _BASEBAND_PLL_MODULUS / REFERENCE_HZ)
        pll = steps * REFERENCE_HZ / _BASEBAND_PLL_MODULUS
        made_adc = pll / pll_factor
        made_rate = made_adc / (total * fir_factor)
        made_dac = made_adc / 2 if halves_dac else made_adc
        return ClockChain(
            int(made_rate),
            _stages(pll, made_adc, fir_factor, made_rate, total),
            _stages(pll, made_dac, fir_factor, made_rate, total // 2 if halves_dac else total),
        )
    return None


def synthesized_hz(asked_hz: int) -> int:
    """What the fractional synthesizer makes of a carrier frequency: within 5 Hz of it.

    Args:
        asked_hz: 46.875001 MHz ... 6 GHz.

    Returns:
        Frequency, cut to whole hertz as the driver reports it.

    Examples:
        >>> synthesized_hz(2_400_000_000), synthesized_hz(2_450_000_000)
        (2400000000, 2449999998)
    """
    divider = 1
    while asked_hz * divider < _VCO_FLOOR_HZ:
        divider *= 2
    reference = 2 * REFERENCE_HZ
    steps = round(asked_hz * divider * _SYNTHESIZER_MODULUS / reference)
    return steps * reference // (_SYNTHESIZER_MODULUS * divider)
