"""The OFDM waveform and its receiver. Knows samples and opaque header bytes, never pictures."""
