# %% [markdown]
# # Your own diffusion model
#
# Any denoiser is a prior for `posterior`: the received symbols pull its samples to the picture that was sent.
# Here a tiny `diffusers` model is trained for a moment on patches of noise-free gradients, saved as a folder, and
# used: the way is the same for one that took a month. Run it: `python own_diffusion_model.py [FOLDER]`.

# %%
import sys
from pathlib import Path

import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

from experiments.configuration import LinkSettings
from experiments.procedures.airing import Airing
from experiments.procedures.photographs import find_picture
from experiments.procedures.transmission import Bench, send_picture
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.metrics.measure import measure
from sdr_gsc.seeding import TrialSeeds
from sdr_gsc.semantic.picture import save_picture

out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("own_diffusion_model")
out.mkdir(parents=True, exist_ok=True)
torch.manual_seed(0)

# %% [markdown]
# ## A model
# Pictures are in [-1, 1]. The training pictures are smooth colour gradients: a poor prior, but one that knows no
# noise.

# %%
size = 64
network = UNet2DModel(
    sample_size=size,
    block_out_channels=(8, 16),
    down_block_types=("DownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "UpBlock2D"),
    layers_per_block=1,
    norm_num_groups=4,
)
scheduler = DDPMScheduler(num_train_timesteps=200, beta_schedule="squaredcos_cap_v2")
optimizer = torch.optim.Adam(network.parameters(), 2e-3)
across = torch.linspace(-1, 1, size)
for step in range(40):
    slopes = torch.randn(4, 3, 2, 1, 1) / 2
    pictures = (torch.randn(4, 3, 1, 1) / 3 + slopes[:, :, 0] * across + slopes[:, :, 1] * across[:, None]).clamp(-1, 1)
    times = torch.randint(0, 200, (4,))
    noise = torch.randn_like(pictures)
    loss = (network(scheduler.add_noise(pictures, noise, times), times).sample - noise).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 9:
        print(f"step {step + 1}: loss {loss.item():.3f}")
DDPMPipeline(network, scheduler).save_pretrained(out / "prior")

# %% [markdown]
# ## As a prior
# The folder's address is all that a decoder needs. It is read without running any code that it might hold.

# %%
bench = Bench.open()
options = DecoderOptions(prior=str(out / "prior"), steps=8)
picture = find_picture("coffee", size)
decoders = bench.decoders(("mmse",)) | bench.decoders(("posterior:diffpir",), options)
airing = Airing("loopback:office", esn0_db=10.0)
sent = send_picture(picture, LinkSettings(cbr=12), bench, decoders, airing=airing, seeds=TrialSeeds(4, "tutorial"))
for name, found in sent.reconstructions.items():
    if found is None:
        print(f"{name}: nothing was received")
        continue
    print(f"{name}: PSNR {measure(picture, found.picture).psnr_db:.2f} dB after {found.nfe} evaluations")
    save_picture(out / f"{name.replace(':', '-')}.png", found.picture)

# %% [markdown]
# From the command line: `sdr-gsc send photo.png --decoder posterior:diffpir --prior FOLDER --steps 50`.
# docs/models.md lists what loads, and what is checked.
