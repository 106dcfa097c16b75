"""One trial: the same episode under every controller, or two agents under every way to share a channel."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch

from hardware.radio import Radio
from sdr_gsc.seeding import TrialSeeds

from ...air_settings import is_simulated
from ...campaign.run_directory import RunDirectory
from ...campaign.study import Line, Trial
from ...procedures.airing import Airing
from ...procedures.tape import Tape
from .controllers import ByExpert, ByPolicy, Clean, Controller, Undirected, packet_reader, symbol_reader
from .episode import Agent, open_environment, run_episode
from .kalman import ByFilter
from .observation import ObservationCode
from .packets import PacketCode
from .planning import PAIR
from .policy import PolicyNet
from .settings import AgentSettings
from .sharing import SHARINGS, Shared, run_pair
from .training import FLAT, POLICY
from .uplink import Uplink, Waveform

__all__ = ["AgentTrials"]


@dataclass(frozen=True, slots=True, eq=False)
class AgentTrials:
    """Runs trials.

    Attributes:
        settings: resolved.
        nets: trained policies by name; those whose methods are asked for.
        out: of the run, for captures; None keeps none.
        waveform: of the link.
    """

    settings: AgentSettings
    nets: Mapping[str, PolicyNet]
    out: RunDirectory | None = None
    waveform: Waveform = field(default_factory=Waveform)

    def __call__(self, trial: Trial) -> Line:
        """The line of a trial. All its episodes begin in the same state, with the same channel draws.

        Raises:
            RadioError: the radio failed.
            RecordingError: see `Tape.exchange`.
            SettingsError: gymnasium is missing.
        """
        seeds = TrialSeeds(self.settings.seed, trial.name)
        tape = Tape.of(self.settings, self.out, trial.name)
        run = self._pair if trial.values["study"] == PAIR else self._single
        symbols = int(trial.values["symbols"])
        return {
            "requested_esn0_db": trial.values["esn0_db"],
            "air": {"symbols": symbols, "air_samples": self.waveform.transmitter.air_samples(symbols)},
            **run(trial, seeds, tape),
        }

    def _single(self, trial: Trial, seeds: TrialSeeds, tape: Tape) -> Line:
        return {"methods": {name: self._method(name, trial, seeds, tape) for name in self.settings.methods}}

    def _method(self, name: str, trial: Trial, seeds: TrialSeeds, tape: Tape) -> Line | None:
        symbols, latency = int(trial.values["symbols"]), int(trial.values["latency_steps"])
        if name == "classical" and not PacketCode.fits(symbols):
            return None
        controller = self._controller(name, symbols, latency, seeds)
        environment = open_environment(self.settings.steps)
        began = time.perf_counter()
        try:
            agent = Agent.begin(environment, controller, latency, self._start(trial))
            if controller.encode is None:
                return {"return": run_episode(agent, None, self.settings.steps), "frames": None}
            with self._radio(trial, 0.0, seeds.generator("channel"), tape) as radio:
                uplink = Uplink(self.waveform, radio, tape)
                gained = run_episode(agent, uplink, self.settings.steps)
        finally:
            environment.close()
        return {
            "return": gained,
            "frames": {"sent": uplink.sent, "lost": uplink.lost},
            "air_samples": uplink.air_samples,
            "timings_s": {"step": (time.perf_counter() - began) / self.settings.steps},
        }

    def _start(self, trial: Trial, number: int = 0) -> int:
        """Seed of an episode's first state, the same in all cells: no curve bends because some starts are easier."""
        return TrialSeeds(self.settings.seed, f"start/{trial.values['episode']}").integer(f"environment/{number}")

    def _pair(self, trial: Trial, seeds: TrialSeeds, tape: Tape) -> Line:
        found = {}
        for sharing in SHARINGS:
            shared = self._shared(sharing, trial, seeds, tape)
            found[sharing] = {
                "returns": list(shared.returns),
                "sum": sum(shared.returns),
                "worse": min(shared.returns),
                "frames": {"sent": list(shared.frames), "lost": list(shared.lost)},
                "air_samples": shared.air_samples,
            }
        return {"sharing": found}

    def _shared(self, sharing: str, trial: Trial, seeds: TrialSeeds, tape: Tape) -> Shared:
        symbols, latency = int(trial.values["symbols"]), int(trial.values["latency_steps"])
        far_db = 0.0 if self.settings.pair is None else self.settings.pair.far_db
        with ExitStack() as stack:
            agents = []
            for number in range(2):
                environment = open_environment(self.settings.steps)
                stack.callback(environment.close)
                controller = self._controller(POLICY, symbols, latency, seeds, f"/{number}")
                agents.append(Agent.begin(environment, controller, latency, self._start(trial, number)))
            first = stack.enter_context(self._radio(trial, 0.0, seeds.generator("channel/0"), tape))
            # A radio with noise of its own is one radio, which both use in turn.
            own = trial.values["esn0_db"] is None or not is_simulated(str(trial.values["radio"]), self.settings.tx)
            second = first
            if not own:
                second = stack.enter_context(self._radio(trial, far_db, seeds.generator("channel/1"), tape))
            uplinks = [Uplink(self.waveform, radio, tape) for radio in (first, second)]
            return run_pair(agents, uplinks, sharing, self.settings.steps)

    def _controller(self, name: str, symbols: int, latency: int, seeds: TrialSeeds, purpose: str = "") -> Controller:
        code = ObservationCode(symbols, self.settings.levels)
        if name == "expert":
            return Clean()
        if name == "random":
            return Undirected(seeds.generator(f"torques{purpose}"))
        if name == "received":
            return ByExpert(code.points, symbol_reader(code))
        if name == "filter":
            return ByFilter(code, latency)
        if name == "classical":
            packets = PacketCode(symbols)
            return ByExpert(lambda observation, step: packets.points(observation), packet_reader(packets))
        net = self.nets[name]
        generator = torch.Generator(next(net.parameters()).device)
        generator.manual_seed(seeds.integer(f"actions{purpose}"))
        policy = self.settings.policy
        return ByPolicy(
            net,
            code,
            latency_steps=latency,
            steps=policy.steps,
            draws=policy.draws,
            generator=generator,
            with_variances=name != FLAT,
        )

    def _radio(
        self, trial: Trial, below_db: float, generator: np.random.Generator, tape: Tape
    ) -> AbstractContextManager[Radio | None]:
        """The radio, opened; None where the tape takes its place."""
        if tape.played is not None:
            return nullcontext()
        level = trial.values["esn0_db"]
        esn0_db = None if level is None else float(level) - below_db
        return Airing.of(self.settings, str(trial.values["radio"]), esn0_db).open(generator)
