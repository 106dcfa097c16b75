# %% [markdown]
# # A first link
#
# One photograph, encoded into symbols, sent over a simulated fading channel, received, and decoded: every step as
# one call, each giving a value that can be looked at. Run it from anywhere: `python first_link.py [FOLDER]`.

# %%
import sys
from pathlib import Path

import numpy as np
import torch

from experiments.procedures.photographs import find_picture
from hardware.registry import open_radio
from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.link import PictureRequest, gather, prepare, transfer
from sdr_gsc.metrics.measure import measure
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.descriptor import Mapping
from sdr_gsc.semantic.picture import save_picture
from sdr_gsc.semantic.rate import rate_by_cbr

out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("first_link")
out.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The sender
# A picture is float32 [H, W, 3] in [0, 1]. At CBR 1/24 one complex symbol stands for 24 values of the picture.

# %%
picture = find_picture("astronaut", 256)
codec, transmitter, receiver = Codec.load(), Transmitter(), Receiver()
prepared = prepare(picture, PictureRequest(Mapping.DIRECT, rate_by_cbr(24)), codec, transmitter)
print(f"{prepared.descriptor.n_symbols} symbols in {prepared.transmission.n_frames} frames")
print(f"peak to average power: {prepared.transmission.papr_db:.1f} dB")

# %% [markdown]
# ## The air
# `open_radio` takes the address of a real radio just as well: `pluto:ip:192.168.2.1`, `usrp:type=b200`. A
# simulated one draws its channel from the generator that it is given, so the same seed is the same channel.

# %%
generator = np.random.default_rng(2)
with open_radio("loopback:office", generator=generator, esn0_db=10.0) as radio:
    capture = transfer(prepared, radio, 4e6)
print(f"received {capture.samples.size} samples, {capture.clipped} of them clipped")

# %% [markdown]
# ## The receiver
# A reception holds every symbol with the variance that was measured for it. A lost frame is infinite variance, no
# exception.

# %%
reception = gather(capture, receiver)
for report in reception.reports:
    found = "good" if report.header_ok else "lost"
    print(f"frame {report.sequence}: {found}, Es/N0 {report.esn0_db:.1f} dB, offset {report.cfo_hz:+.0f} Hz")
print(f"noise variance from {reception.noise_variance.min():.3f} to {reception.noise_variance.max():.3f}")

# %% [markdown]
# ## The decoders
# All see the same reception, and none knows more than it: not the channel, not the picture.

# %%
save_picture(out / "sent.png", picture)
for name in ("mmse", "refine:4"):
    decoder = open_decoder(name, codec)
    found = decoder.decode(reception, generator=torch.Generator().manual_seed(0))
    figures = measure(picture, found.picture)
    print(f"{name}: PSNR {figures.psnr_db:.2f} dB, perceptual {figures.perceptual:.2f}, NFE {found.nfe}")
    save_picture(out / f"{name.replace(':', '-')}.png", found.picture)
    if found.standard_deviation is not None:
        error = np.abs(found.picture - picture).mean(-1)
        print(f"  predicted error {found.standard_deviation.mean():.3f}, true error {np.sqrt((error**2).mean()):.3f}")
