from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from experiments.training.adapt import adapt_decoder, adapt_refine, decoder_gain
from experiments.training.air import draw_air
from experiments.training.codec import CodecModel, start_from_klt, train_codec
from experiments.training.critic import Critic, adversarial_loss, matching_loss, sensitivity
from experiments.training.distil import (
    DEFAULT_PARTS,
    Balance,
    balanced_realism,
    choose_parts,
    distilled_psnr_db,
    train_distil,
)
from experiments.training.loop import Draw, LoopSettings, Progress, Rival, build_seeded, fit
from experiments.training.pictures import PictureSet
from experiments.training.shipping import Base, Provenance, ship
from sdr_gsc.diffusion.bridge import BridgeCondition, BridgeDenoiser
from sdr_gsc.diffusion.models import load_bridge
from sdr_gsc.errors import DescriptorError, SettingsError, WeightsError
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.rate import MAX_CHANNELS, RATES

_SETTINGS = LoopSettings(steps=3, batch=2, side_px=32, checkpoint_every=2, threads=1)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> PictureSet:
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for index in range(3):
        coarse = generator.integers(0, 256, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((320, 270), Image.Resampling.BICUBIC).save(folder / f"{index}.png")
    return PictureSet.load(folder)


@pytest.fixture(scope="module")
def codec(pictures: PictureSet) -> CodecModel:
    model = build_seeded(CodecModel, 0)
    start_from_klt(model, pictures, blocks=2000)
    return model.eval()


@pytest.fixture
def bridge() -> BridgeDenoiser:
    return build_seeded(lambda: BridgeDenoiser(latent=MAX_CHANNELS + 1), 0).eval()


def _duel(folder: Path, stop_after: int | None = None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A number against a number: one wants the difference small, the other large but bounded."""
    model, other = (build_seeded(lambda: nn.Linear(2, 1), seed) for seed in (1, 2))

    def loss(draw: Draw) -> Tensor:
        inputs = torch.randn(8, 2, generator=draw.torch_generator)
        return (model(inputs) - other(inputs).detach()).square().mean()

    def other_loss(draw: Draw) -> Tensor | None:
        inputs = torch.randn(8, 2, generator=draw.torch_generator)
        if draw.step % 3 == 2:
            return None
        return -(model(inputs).detach() - other(inputs)).square().mean() + other.weight.square().sum()

    def on_step(progress: Progress) -> None:
        if progress.step == stop_after:
            raise KeyboardInterrupt

    groups: list[dict[str, object]] = [{"params": list(model.parameters()), "lr": 1.0}]
    settings = replace(_SETTINGS, steps=9, checkpoint_every=4)
    averaged = fit(model, loss, groups, settings, folder / "duel.pt", on_step, Rival(other, other_loss))
    return averaged, other.state_dict()


def test_a_killed_duel_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    unbroken, unbroken_other = _duel(tmp_path / "unbroken")
    with pytest.raises(KeyboardInterrupt):
        _duel(tmp_path / "broken", stop_after=6)
    resumed, resumed_other = _duel(tmp_path / "broken")
    assert all(torch.equal(unbroken[name], resumed[name]) for name in unbroken)
    assert all(torch.equal(unbroken_other[name], resumed_other[name]) for name in unbroken_other)


def test_a_checkpoint_without_a_rival_is_refused(tmp_path: Path) -> None:
    model = nn.Linear(1, 1)
    groups: list[dict[str, object]] = [{"params": list(model.parameters())}]

    def loss(draw: Draw) -> Tensor:
        return model(torch.ones(1, 1)).square().sum()

    fit(model, loss, groups, _SETTINGS, tmp_path / "alone.pt")
    with pytest.raises(SettingsError, match="without a rival"):
        fit(model, loss, groups, _SETTINGS, tmp_path / "alone.pt", rival=Rival(nn.Linear(1, 1), lambda draw: None))


def _condition() -> tuple[Tensor, BridgeCondition]:
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand((2, 3, 32, 32), generator=generator)
    deviation = torch.full((2, 1, 32, 32), 0.05)
    return picture, BridgeCondition(picture + 0.02, deviation, picture, torch.zeros(2, 1, 2, 2))


def test_a_new_critic_has_no_opinion() -> None:
    picture, condition = _condition()
    critic = build_seeded(Critic, 0).requires_grad_(requires_grad=False)
    verdicts, features = critic(picture, condition)
    assert [tuple(verdict.shape) for verdict in verdicts] == [(2, 1, 16, 16), (2, 1, 8, 8), (2, 1, 4, 4)]
    assert all(float(verdict.abs().max()) == 0 for verdict in verdicts)
    same = (verdicts, features)
    assert float(adversarial_loss(same, same)) == pytest.approx(float(functional.softplus(torch.tensor(0.0))))
    assert float(matching_loss(same, same)) == 0


def test_losses_are_relative() -> None:
    better, worse = ([torch.full((1, 1, 2, 2), value)] for value in (3.0, 1.0))
    features = [torch.full((1, 4, 2, 2), 2.0)]
    assert float(adversarial_loss((better, []), (worse, []))) == pytest.approx(np.log1p(np.exp(-2.0)))
    assert float(adversarial_loss((worse, []), (better, []))) == pytest.approx(np.log1p(np.exp(2.0)))
    assert float(matching_loss(([], features), ([], [1.5 * features[0]]))) == pytest.approx(0.5)


def test_sensitivity_is_the_squared_slope() -> None:
    class Slope(Critic):
        """A verdict that follows the mean residual with slope 3."""

        def forward(self, pictures: Tensor, condition: BridgeCondition) -> tuple[list[Tensor], list[Tensor]]:
            residual = 3 * ((pictures - condition.estimate) / condition.deviation).mean(1, keepdim=True)
            return [residual, functional.avg_pool2d(residual, 2)], []

    picture, condition = _condition()
    assert float(sensitivity(Slope(), picture, condition).detach()) == pytest.approx(9.0, rel=1e-4)


def test_a_critic_learns_what_a_photograph_has_and_its_estimate_lacks() -> None:
    picture, condition = _condition()
    critic = build_seeded(Critic, 0)
    optimizer = torch.optim.AdamW(critic.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        loss = adversarial_loss(critic(picture, condition), critic(condition.estimate, condition))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_distillation_trains_resumes_and_leaves_its_start_alone(
    codec: CodecModel, bridge: BridgeDenoiser, pictures: PictureSet, tmp_path: Path
) -> None:
    before = {name: value.clone() for name, value in bridge.state_dict().items()}
    balance = Balance(adversarial=0.3, matching=0.2, consistency=0.1)
    unbroken = train_distil(codec, bridge, pictures, _SETTINGS, balance, tmp_path / "unbroken.pt")

    def on_step(progress: Progress) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_distil(codec, bridge, pictures, _SETTINGS, balance, tmp_path / "broken.pt", on_step)
    resumed = train_distil(codec, bridge, pictures, _SETTINGS, balance, tmp_path / "broken.pt")
    states = unbroken.state_dict(), resumed.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    moved = {name for name in before if not torch.equal(states[0][name], before[name])}
    learning = tuple(f"unet.{part}." for part in DEFAULT_PARTS)
    assert moved
    assert all(name.startswith(learning) for name in moved)
    with pytest.raises(SettingsError, match="other parts"):
        train_distil(codec, bridge, pictures, _SETTINGS, balance, tmp_path / "broken.pt", parts=("head",))
    assert all(torch.equal(value, before[name]) for name, value in bridge.state_dict().items())


@pytest.mark.parametrize(("parts", "said"), [(("head", "tail"), "no part 'tail'"), ((), "at least one")])
def test_parts_that_do_not_exist_are_refused(bridge: BridgeDenoiser, parts: tuple[str, ...], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        choose_parts(bridge, parts)


def test_a_distilled_file_holds_only_what_differs_from_its_refine(
    codec: CodecModel, bridge: BridgeDenoiser, tmp_path: Path
) -> None:
    hashed = ship("codec", codec, tmp_path, Provenance("", "")).sha256
    ship("refine", bridge, tmp_path, Provenance("", "", codec_sha256=hashed))
    loaded = Codec.load(tmp_path)
    start, origin = load_bridge(loaded, tmp_path)
    distilled, _ = load_bridge(loaded, tmp_path)
    with torch.no_grad():
        distilled.unet.head.bias.fill_(0.25)
    base = Base(origin.sha256, start)
    card = ship("consistency", distilled, tmp_path, Provenance("", "", codec_sha256=hashed, base=base))
    assert set(load_file(tmp_path / card.file)) == {"unet.head.bias"}
    found, read = load_bridge(loaded, tmp_path, "consistency")
    assert read == card
    assert all(torch.equal(value, distilled.state_dict()[name]) for name, value in found.state_dict().items())
    ship("refine", distilled, tmp_path, Provenance("", "", codec_sha256=hashed))
    with pytest.raises(WeightsError, match="beside it is"):
        load_bridge(loaded, tmp_path, "consistency")


def test_realism_is_the_largest_within_the_loss(
    codec: CodecModel, bridge: BridgeDenoiser, pictures: PictureSet
) -> None:
    with torch.no_grad():
        bridge.unet.head.bias.fill_(1.0)  # one predicted deviation off, everywhere
    found = [balanced_realism(codec, bridge, pictures, _SETTINGS, Balance(), loss_db) for loss_db in (0.3, 1.0)]
    assert 0.05 < found[0] < found[1] < 1.0
    crops = pictures.crops(2, 64, np.random.default_rng(0))
    curve = distilled_psnr_db(codec, bridge, crops, RATES[3], 10.0, Balance(), (0.0, 0.5, 1.0))
    assert curve[0] > curve[1] > curve[2]


@pytest.mark.parametrize("bad", [
    {"squared": -1.0}, {"kappa": 0.0}, {"noise": 1.5}, {"squared": 0.0, "likeness": 0.0},
])  # fmt: skip
def test_a_balance_that_balances_nothing_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match="needed weights"):
        Balance(**bad)


def test_air_can_be_drawn_from_a_range() -> None:
    generator = np.random.default_rng(0)
    noise = torch.cat([draw_air(4, 1, generator, (3.0, 4.0)).noise for _ in range(20)])
    heard = -10 * noise[torch.isfinite(noise)].log10()
    # Fades of one symbol are normalized away, so what is left is the range.
    assert 2.9 < float(heard.median()) < 4.1


def test_an_adapted_receiver_keeps_the_encoder_and_learns(
    codec: CodecModel, bridge: BridgeDenoiser, pictures: PictureSet, tmp_path: Path
) -> None:
    settings = replace(_SETTINGS, steps=4, learning_rate=1e-3)
    adapted = adapt_decoder(codec, pictures, settings, tmp_path / "codec.pt")
    for name, value in codec.encoder.state_dict().items():
        assert torch.equal(adapted.encoder.state_dict()[name], value)
    assert torch.equal(adapted.decoder.log_variance, codec.decoder.log_variance)
    assert not torch.equal(adapted.decoder.unet.head.weight, codec.decoder.unet.head.weight)
    gain = decoder_gain(codec, adapted, {"own": pictures.crops(2, 64, np.random.default_rng(5))})
    assert set(gain) == {"own_before_psnr_db", "own_after_psnr_db"}
    assert gain["own_after_psnr_db"] != gain["own_before_psnr_db"]
    refined = adapt_refine(adapted, bridge, pictures, _SETTINGS, tmp_path / "refine.pt")
    assert not torch.equal(refined.unet.head.weight, bridge.unet.head.weight)


def _drawings(seed: int, count: int) -> np.ndarray:
    """Pages with black discs, rings and bars on white, which no photograph resembles: uint8 [count, 3, 256, 256]."""
    generator, pages = np.random.default_rng(seed), []
    for _ in range(count):
        page = Image.new("L", (256, 256), 255)
        pen = ImageDraw.Draw(page)
        for _ in range(20):
            x, y, size, width = (int(value) for value in generator.integers((0, 0, 8, 4), (256, 256, 40, 9)))
            pen.ellipse([x - size, y - size, x + size, y + size], fill=0 if size > 20 else 255, outline=0, width=width)
            x, y = (int(value) for value in generator.integers(0, 256, 2))
            across, down = (3 * size, width) if generator.random() < 0.5 else (width, 3 * size)
            pen.rectangle([x, y, x + across, y + down], fill=0)
        pages.append(np.asarray(page.convert("RGB")).transpose(2, 0, 1))
    return np.ascontiguousarray(np.stack(pages))


@pytest.mark.slow
def test_adaptation_helps_on_pictures_of_a_new_kind(tmp_path: Path) -> None:
    shipped = CodecModel.of(Codec.load())
    pages = _drawings(0, 6)
    own = PictureSet(tuple(pages), np.full(len(pages), 1 / len(pages)))
    settings = LoopSettings(steps=40, batch=2, side_px=64, learning_rate=3e-4, threads=1)
    adapted = adapt_decoder(shipped, own, settings, tmp_path / "codec.pt")
    others = torch.from_numpy(_drawings(1, 6)[:, :, 64:192, 64:192]).float() / 255
    gain = decoder_gain(shipped, adapted, {"own": own.crops(6, 128, np.random.default_rng(5)), "others": others})
    # Five seeds of the training brought 0.5 to 0.7 dB.
    assert gain["own_after_psnr_db"] > gain["own_before_psnr_db"] + 0.3
    assert gain["others_after_psnr_db"] > gain["others_before_psnr_db"] + 0.3


def test_an_adapted_receiver_takes_the_senders_symbols_and_bridge(
    codec: CodecModel, bridge: BridgeDenoiser, pictures: PictureSet, tmp_path: Path
) -> None:
    def shipped(name: str, model: nn.Module, folder: str, codec_sha256: str = "") -> str:
        return ship(name, model, tmp_path / folder, Provenance("", "", codec_sha256=codec_sha256)).sha256

    hashed = shipped("codec", codec, "sender")
    shipped("refine", bridge, "sender", hashed)
    sender = Codec.load(tmp_path / "sender")
    adapted = adapt_decoder(CodecModel.of(sender), pictures, _SETTINGS, tmp_path / "codec.pt")
    assert shipped("codec", adapted, "receiver", hashed) != hashed
    receiver = Codec.load(tmp_path / "receiver")
    picture = np.full((32, 48, 3), 0.4, np.float32)
    symbols = sender.encode(picture, RATES[3], 16)
    receiver.check(symbols.descriptor)
    # It may send as well: its encoder is the sender's.
    assert (receiver.encode(picture, RATES[3], 16).indices == symbols.indices).all()
    sender.check(receiver.encode(picture, RATES[3], 16).descriptor)
    assert load_bridge(receiver, tmp_path / "sender")[1].codec_sha256 == hashed
    shipped("codec", adapted, "stranger", "cd" * 32)
    with pytest.raises(DescriptorError, match="sender's weights"):
        Codec.load(tmp_path / "stranger").check(symbols.descriptor)
    with pytest.raises(WeightsError, match="was trained on codec"):
        load_bridge(Codec.load(tmp_path / "stranger"), tmp_path / "sender")


def test_a_codec_of_one_rate_leaves_the_others_untouched(pictures: PictureSet, tmp_path: Path) -> None:
    start = build_seeded(CodecModel, 0)
    start_from_klt(start, pictures, blocks=2000)
    trained = train_codec(pictures, _SETTINGS, tmp_path / "one.pt", start=start, only_rate=RATES[3])
    moved = (trained.encoder.log_gain - start.encoder.log_gain).abs().amax(1) > 0
    assert moved.tolist() == [rate.index == 3 for rate in RATES]
