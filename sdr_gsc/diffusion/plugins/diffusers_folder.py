"""Folders that `diffusers` wrote, as priors: a U-Net on pixels, or a U-Net on the latents of an autoencoder.

Nothing of a folder is executed and nothing is fetched: its JSON files describe architectures of the installed package,
and its tensors must fit them exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import SettingsError, WeightsError
from .conditioning import Conditioning, LabelledNetwork, TextNetwork, checked_label, read_embeddings
from .discrete import DiscreteDenoiser
from .files import fill, read_json, read_tensors
from .latents import LatentPrior
from .scheduler import read_scheduler
from .text import encode_text

__all__ = ["open_folder"]

_RGB = 3
#: Fields of a U-Net's configuration that ask for inputs which a picture and a text do not give.
_UNSUPPORTED = ("addition_embed_type", "encoder_hid_dim_type", "class_embed_type")


def open_folder(folder: Path, device: torch.device, conditioning: Conditioning) -> DiscreteDenoiser | LatentPrior:
    """Open a folder as `save_pretrained` of a pipeline wrote it: ``unet``, ``scheduler`` and perhaps ``vae``.

    A folder with the U-Net's own ``config.json`` and ``scheduler_config.json`` side by side will do as well.

    Raises:
        WeightsError: files that are missing, do not fit each other, or describe something that is no such prior.
        SettingsError: a label or text that the model cannot use, or lacks.
    """
    unet_folder = folder / "unet" if (folder / "unet").is_dir() else folder
    config = read_json(unet_folder / "config.json", "needed a folder as diffusers' save_pretrained writes it")
    levels, prediction = read_scheduler(folder / "scheduler" if (folder / "scheduler").is_dir() else unet_folder)
    package = _diffusers()
    vae = _vae(package, folder / "vae") if (folder / "vae").is_dir() else None
    channels = _RGB if vae is None else int(vae.config["latent_channels"])
    unet = _unet(package, unet_folder, config, channels)
    bind: Callable[[_Part, Conditioning, Path], LabelledNetwork | TextNetwork]
    bind = _on_class if config["_class_name"] == "UNet2DModel" else _on_text
    # Every block but the last halves the sides.
    stride = 2 ** (len(unet.config["down_block_types"]) - 1)
    network = bind(unet, conditioning, folder)
    denoiser = DiscreteDenoiser(network, levels, prediction, channels=channels, stride=stride, passes=network.passes)
    prior = denoiser if vae is None else LatentPrior(denoiser, vae.module, vae.config)
    return prior.to(device).eval().requires_grad_(requires_grad=False)


@dataclass(frozen=True, slots=True)
class _Part:
    """A network of the folder and its configuration, defaults included."""

    module: nn.Module
    config: dict[str, Any]


def _diffusers() -> ModuleType:
    try:
        import diffusers
    except ImportError as error:
        raise WeightsError("this prior needs the package diffusers: pip install 'sdr-gsc[diffusers]'") from error
    return diffusers


def _built(package: ModuleType, kinds: tuple[str, ...], folder: Path, config: dict[str, object]) -> _Part:
    """An architecture by its configuration, filled with the folder's tensors."""
    kind = config.get("_class_name")
    if kind not in kinds:
        raise WeightsError(f"{folder / 'config.json'} describes {kind!r}; needed {' or '.join(kinds)}")
    tensors, source = read_tensors(folder)
    try:
        # Initial values are drawn from the process-wide generator, and overwritten at once.
        with torch.random.fork_rng(devices=[]):
            model: nn.Module = getattr(package, str(kind)).from_config(config)
    except (ValueError, TypeError, KeyError, NotImplementedError, RuntimeError) as error:
        raise WeightsError(f"{folder / 'config.json'} describes no {kind}: {error}; fetch the folder again") from error
    fill(model, _present_names(tensors, model), source)
    return _Part(model, dict(getattr(model, "config", {})))


def _present_names(tensors: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Tensors of folders from before diffusers 0.12, under the names that attention has since then."""
    own = model.state_dict()
    renamed = {}
    for name, value in tensors.items():
        new = name
        if name not in own:
            for old, now in (("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")):
                new = new.replace(f".{old}.", f".{now}.")
        # Then, attention was a convolution over one pixel.
        if new in own and value.ndim == 4 and own[new].ndim == 2 and value.shape[2:] == (1, 1):
            value = value[:, :, 0, 0]
        renamed[new if new in own else name] = value
    return renamed


def _unet(package: ModuleType, folder: Path, config: dict[str, object], channels: int) -> _Part:
    path = folder / "config.json"
    unet = _built(package, ("UNet2DModel", "UNet2DConditionModel"), folder, config)
    came, went = unet.config["in_channels"], unet.config["out_channels"]
    if came != channels or went not in (channels, 2 * channels):
        raise WeightsError(
            f"{path} has {came} channels in and {went} out; needed {channels} in and {channels} out (or twice that, "
            "with learned variances): this model is no prior of pictures by itself"
        )
    if unet.config.get("time_embedding_type", "positional") != "positional":
        raise WeightsError(f"{path} has no positional embedding of time; needed a model with discrete times")
    asked = [name for name in _UNSUPPORTED if unet.config.get(name) is not None]
    if asked:
        raise WeightsError(f"{path} asks for {', '.join(asked)}; needed a model of pictures, classes or plain text")
    return unet


def _on_class(unet: _Part, conditioning: Conditioning, folder: Path) -> LabelledNetwork:
    def call(scaled: Tensor, times: Tensor, labels: Tensor | None) -> Tensor:
        said: Tensor = unet.module(scaled, times, class_labels=labels, return_dict=False)[0]
        return said

    return LabelledNetwork(call, unet.module, checked_label(conditioning, unet.config.get("num_class_embeds")))


def _on_text(unet: _Part, conditioning: Conditioning, folder: Path) -> TextNetwork:
    if conditioning.label is not None:
        raise SettingsError(
            f"label is {conditioning.label}, but this prior is conditioned on text; give prompt instead"
        )
    if unet.config.get("num_class_embeds") is not None:
        raise WeightsError(f"{folder} needs a class and a text at once; needed a model of one of them")
    width = unet.config["cross_attention_dim"]
    if not isinstance(width, int):
        raise WeightsError(f"{folder} has several widths of cross-attention; needed one")
    prompt = "" if conditioning.prompt is None else conditioning.prompt
    unwanted: Tensor | None
    if prompt.endswith(".safetensors"):
        wanted, unwanted = read_embeddings(Path(prompt), width)
    else:
        wanted, unwanted = encode_text(folder, (prompt, ""))
        if wanted.shape[2] != width:
            raise WeightsError(
                f"{folder} has a text encoder of width {wanted.shape[2]} for a U-Net of width {width}; fetch it again"
            )

    def call(scaled: Tensor, times: Tensor, embeddings: Tensor) -> Tensor:
        said: Tensor = unet.module(scaled, times, encoder_hidden_states=embeddings, return_dict=False)[0]
        return said

    return TextNetwork(call, unet.module, wanted, unwanted, conditioning.guidance)


def _vae(package: ModuleType, folder: Path) -> _Part:
    config = read_json(folder / "config.json", "needed the autoencoder as diffusers' save_pretrained writes it")
    vae = _built(package, ("AutoencoderKL",), folder, config)
    if vae.config["in_channels"] != _RGB or vae.config["out_channels"] != _RGB:
        raise WeightsError(f"{folder / 'config.json'} is no autoencoder of RGB pictures; needed 3 channels in and out")
    if vae.config.get("latents_mean") is not None or vae.config.get("latents_std") is not None:
        raise WeightsError(f"{folder / 'config.json'} scales each channel of its latents; needed one scaling_factor")
    return vae
