# %% [markdown]
# # Your first over-the-air sweep
#
# A question ("how does quality follow the transmit power?"), a file that asks it, and a run that can be
# interrupted at any time. The radio is a simulated one unless an address is given: `python first_sweep.py FOLDER
# pluto:ip:192.168.2.1`. A real radio transmits only what its `bench.toml` allows; `sdr-gsc emulate pluto` gives
# an address to practise on.

# %%
import json
import sys
from pathlib import Path

from experiments.cli import main

out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("first_sweep")
radio = sys.argv[2] if len(sys.argv) > 2 else "loopback:cabled"
out.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The question as a file
# Everything under `[grid]` is varied: any setting of a transmission may stand there. Captures are kept, so that
# what was on the air can be decoded again later. Only a simulated radio can be told its Es/N0; a real one is
# varied by other settings, such as the rate, or with `sdr-gsc calibrate` by `tx_power_db`.

# %%
varied = "esn0_db = [5, 15]\ncbr = [24]" if radio.startswith("loopback:") else "cbr = [24, 48]"
(out / "sweep.toml").write_text(f"""
name = "first"
radio = "{radio}"
side_px = 128
seed = 1
keep = ["captures", "pictures"]

[grid]
{varied}
pictures = ["astronaut", "coffee"]

[[series]]
name = "direct"
decoders = ["mmse"]

[[series]]
name = "classical"
mapping = "classical"
mcs = 2
""")

# %% [markdown]
# ## The run
# The same commands work in a shell: `sdr-gsc run sweep.toml --out run`. Each trial is on disk as soon as it is
# done: a run that was interrupted, or killed, goes on with `sdr-gsc resume run`.

# %%
run = out / "run"
status = main(["run", str(out / "sweep.toml"), "--out", str(run), "--workers", "0"])
if status:
    raise SystemExit(status)
for line in (run / "trials.jsonl").read_text("utf-8").splitlines():
    trial = json.loads(line)
    for decoder, figures in trial["decoders"].items():
        quality = f"PSNR {figures['psnr_db']:.2f} dB" if trial["received"] else "not received"
        print(f"{trial['trial']:40s} {decoder:10s} {quality}")
print(f"look at {run / 'report.html'}")

# %% [markdown]
# ## Again, without the radio
# The recorded air goes through other decoders, and both runs are set beside each other.

# %%
main(["replay", str(run), "--decoder", "mmse,refine:2", "--out", str(out / "again"), "--workers", "0"])
main(["compare", str(run), str(out / "again"), "--metric", "psnr_db"])
main(["export", str(run), str(out / "trials.parquet")])
