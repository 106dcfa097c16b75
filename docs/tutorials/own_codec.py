# %% [markdown]
# # Your own codec
#
# Any encoder and decoder, as `torch` modules, can take the place of the shipped codec: latents are quantized,
# ride on the waveform, and come back with the noise variance of each. Run it: `python own_codec.py [FOLDER]`.

# %%
import sys
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

from experiments.configuration import LinkSettings
from experiments.procedures.airing import Airing
from experiments.procedures.photographs import find_picture
from experiments.procedures.transmission import Bench, send_picture
from sdr_gsc.metrics.measure import measure
from sdr_gsc.seeding import TrialSeeds
from sdr_gsc.semantic.foreign_codec import ForeignCodec
from sdr_gsc.semantic.picture import save_picture

out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("own_codec")
out.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## Encoder and decoder
# The encoder has no quantizer and no channel inside: both are the toolkit's. The decoder is told how noisy each
# latent is, and should use it: here by the factor of Wiener, 1 / (1 + variance / power).


# %%
class Encoder(nn.Module):
    """Means over blocks of 8 x 8 pixels, around mid-grey."""

    def forward(self, pictures: Tensor) -> Tensor:
        return functional.avg_pool2d(pictures, 8) - 0.5


class Decoder(nn.Module):
    """Shrunk towards mid-grey where noise is large, then drawn large with soft edges."""

    def forward(self, latents: Tensor, variance: Tensor) -> Tensor:
        power = 0.06
        shrunk = latents / (1 + variance / power)
        return functional.interpolate(shrunk + 0.5, scale_factor=8, mode="bicubic").clamp(0, 1)


codec = ForeignCodec.of_modules(Encoder(), Decoder(), stride_px=8)

# %% [markdown]
# ## Over the air
# `Bench` holds what both ends share. The trial's seeds draw the channel, so each Es/N0 sees the same fading.

# %%
bench = Bench(codec=codec)
picture = find_picture("chelsea", 256)
decoders = bench.decoders(("mmse",))
for esn0_db in (0.0, 10.0, 20.0):
    airing = Airing("loopback:office", esn0_db=esn0_db)
    sent = send_picture(picture, LinkSettings(), bench, decoders, airing=airing, seeds=TrialSeeds(1, "tutorial"))
    found = sent.reconstructions["mmse"]
    if found is None:
        print(f"{esn0_db:4.0f} dB: nothing was received")
        continue
    symbols = sent.prepared.descriptor.n_symbols
    print(f"{esn0_db:4.0f} dB: {symbols} symbols, PSNR {measure(picture, found.picture).psnr_db:.2f} dB")
    save_picture(out / f"{esn0_db:.0f}dB.png", found.picture)

# %% [markdown]
# To use a codec from the command line, put its weights into a folder with a `codec.toml`: docs/models.md has the
# form, and `sdr-gsc send photo.png --codec FOLDER --codec-code FILE.py` the flags.
