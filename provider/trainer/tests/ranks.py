"""Train on several ranks and compare with one process: `python -m tests.ranks [--json]`.

Prints `largestDifference`, `kills` and `peakShare`. Differences are relative: of the loss of each
step and evaluation, and of all trained weights together (norm of the difference over the norm).
A kill ends a random rank (SIGKILL) at a random step; after three of them the run is completed, and
every byte of out/ and checkpoints/ is compared with a run of as many ranks that was never killed.
The peak is that of a process's resident memory beyond what the imports take, the largest of the
ranks, for a model of which weights are most.
"""

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

from conftest import HANGS_AFTER, REVIEWS, SIGKILL, TRAINER, after_step, write_job

from anneal_trainer import tiny_models
from anneal_trainer.__main__ import SETTINGS, run
from anneal_trainer.launch import ADDRESS

LAYOUTS = [{"devices": 2}, {"devices": 2, "sharded": True}, {"devices": 4},
           {"devices": 4, "sharded": True}]  # fmt: skip
"""How the ranks of a run share the model."""
RATE = {"learning_rate": 1e-3, "batch_size": 3}
# Without packing, matrices are multiplied in 32-bit floats on every CPU. The last step of a pass
# has fewer rows than the others, and fewer than 4 ranks.
FULL = {"hp": {**RATE, "n_epochs": 2, "batch_size": 7, "packing": False}}
ADAPTER = {"hp": {**RATE, "lora": True, "packing": False, "gradient_accumulation_steps": 2}}
CLASSIFIER = {"kind": "text-classification", "model": "no-dropout", "hp": RATE,
              "validation": REVIEWS[::5]}  # fmt: skip
EQUAL = {"full": FULL, "adapter": ADAPTER, "classifier": CLASSIFIER}
# Dropout makes the result depend on the random generators' state, too.
KILLED = {
    "full": {"hp": {**FULL["hp"], "n_epochs": 4, "n_checkpoints": 2}},
    "adapter": {"hp": {"n_epochs": 2, **RATE, "lora": True, "lora_dropout": 0.3}},
    "classifier": {"kind": "text-classification", "validation": REVIEWS[::5],
                   "hp": {**RATE, "n_epochs": 2, "n_checkpoints": 2, "n_evals": 2}},
}  # fmt: skip
LARGE = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 24}
KILLS_PER_RUN = 3
RETURNING = {"MALLOC_MMAP_THRESHOLD_": "1048576", "MALLOC_TRIM_THRESHOLD_": "1048576"}
"""Has the C library return what is freed, so that the peak is of what is in use."""
IMPORTS = "import anneal_trainer.train; from transformers import Qwen2ForCausalLM"
NOTE_PEAK = """
import atexit, os, pathlib

def note():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    peak = next(line.split()[1] for line in lines if line.startswith("VmHWM:"))
    kind = "rank" if "RANK" in os.environ else "process"
    pathlib.Path(os.environ["PEAKS"], f"{kind}-{os.getpid()}").write_text(peak)

atexit.register(note)
"""
"""Runs at the start of every Python process: notes the peak of its resident memory, in KiB."""


def make_models(directory):
    """Write the tiny models, and one without dropout: its result does not depend on the ranks."""
    with contextlib.redirect_stdout(io.StringIO()):
        assert tiny_models.main([str(directory)]) == 0
    plain = directory / "no-dropout"
    shutil.copytree(directory / "tiny-distilbert", plain)
    config = json.loads((plain / "config.json").read_text())
    still = {key: 0.0 for key in config if "dropout" in key}
    (plain / "config.json").write_text(json.dumps({**config, **still}))


def make_large_model(models):
    """Write a model whose weights take a gigabyte to train."""
    from transformers import AutoModelForCausalLM, Qwen2Config

    large = models / "large"
    shutil.copytree(models / "tiny-qwen2", large)
    config = Qwen2Config(**{**json.loads((large / "config.json").read_text()), **LARGE})
    # In 16 bits, as large models are.
    AutoModelForCausalLM.from_config(config).bfloat16().save_pretrained(large)


def import_everything():
    """Before the first fork. No tensor is touched here: threads do not survive a fork."""
    import peft  # noqa: F401
    import transformers  # noqa: F401

    import anneal_trainer.train  # noqa: F401


def losses(job):
    """The loss of every step and evaluation."""
    events = [event for event in job.events() if event["type"] in ("progress", "eval")]
    return [event["loss"] for event in events]


def weights(job):
    """All trained weights as one vector of 64-bit floats, but for the biases of attention keys.

    These change no attention, so their gradients are nothing but rounding, whose sign AdamW follows
    with whole steps.
    """
    import torch
    from safetensors.torch import load_file

    (file,) = (job.work / "out").glob("*.safetensors")
    tensors = load_file(file)
    names = sorted(name for name in tensors if not name.endswith(("k_proj.bias", "k_lin.bias")))
    return torch.cat([tensors[name].double().flatten() for name in names])


def difference(job, expected):
    """The largest relative difference between the losses and weights of two runs."""
    pairs = zip(losses(job), losses(expected), strict=True)
    largest = max(abs(ours - theirs) / abs(theirs) for ours, theirs in pairs)
    ours, theirs = weights(job), weights(expected)
    return max(largest, float((ours - theirs).norm() / theirs.norm()))


def start(job, recovery_seconds=60.0):
    """Start a process per rank of a job, as the launcher does; return their ids by rank.

    They are forked from one that has imported everything, which is faster.
    """
    devices = json.loads((job.path / "job.json").read_text()).get("devices", 1)
    port = free_port()
    sys.stdout.flush()
    children = []
    for rank in range(devices):
        child = os.fork()
        if child == 0:
            with (job.path / f"errors-{rank}").open("a") as errors:
                os.dup2(errors.fileno(), 2)
            if devices > 1:
                os.environ.update(variables_of(rank, devices, port))
            os._exit(run(job.path, lambda: False, recovery_seconds))
        children.append(child)
    return children


def free_port():
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return probe.getsockname()[1]


def variables_of(rank, devices, port):
    """The environment of a rank, as torchrun sets it."""
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": devices,
               "LOCAL_WORLD_SIZE": devices, "MASTER_PORT": port}  # fmt: skip
    texts = {"MASTER_ADDR": ADDRESS, "GLOO_SOCKET_IFNAME": "lo", "TORCHELASTIC_RUN_ID": "test"}
    return {**texts, **{name: str(number) for name, number in numbers.items()}}


def ended(child, deadline):
    """Wait for a process; return its exit code, or the negative number of a signal."""
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, SIGKILL)
    os.waitpid(child, 0)
    raise TimeoutError("A rank does not end.")


def finish(job, recovery_seconds=60.0):
    """Run a job to its end."""
    deadline = time.monotonic() + HANGS_AFTER
    for rank, child in enumerate(start(job, recovery_seconds)):
        assert ended(child, deadline) == 0, (job.path / f"errors-{rank}").read_text()
    return job


def kill_rank(job, rank, step, recovery_seconds):
    """Start a job and kill one rank after a step: the others must end, and report nothing."""
    deadline = time.monotonic() + HANGS_AFTER
    children = start(job, recovery_seconds)
    while not after_step(step)(job):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(children[rank], SIGKILL)
    codes = [ended(child, deadline) for child in children]
    assert codes == [-SIGKILL if other == rank else 1 for other in range(len(codes))], codes
    assert not (job.work / "result.json").exists()


def results(job):
    return job.files("out"), job.files("checkpoints"), {**job.result, "seconds": 0}


def largest_difference(directory, names, layouts, say):
    """Compare runs of several ranks with those of one process."""
    largest = 0.0
    for name in names:
        models, settings = directory / "models", EQUAL[name]
        expected = finish(write_job(directory / f"{name}-1", models, threads=1, **settings))
        for layout in layouts:
            place = directory / f"{name}-{'-'.join(map(str, layout.values()))}"
            job = finish(write_job(place, models, threads=1, **layout, **settings))
            found = difference(job, expected)
            say(f"{name}, {layout}: {found:.1e}")
            largest = max(largest, found)
    return largest


def kill_runs(directory, layouts, options, say):
    """Kill ranks as often as wanted; return the number of kills, and of runs that differed."""
    chance, wanted = random.Random(options.seed), options.kills
    expected, kills, different = {}, 0, 0
    while kills < wanted:
        name, layout = chance.choice(list(KILLED)), chance.choice(layouts)
        settings = {"threads": 1, **layout, **KILLED[name]}
        key = f"{name}-{'-'.join(map(str, layout.values()))}"
        if key not in expected:
            whole = write_job(directory / f"whole-{key}", directory / "models", **settings)
            expected[key] = results(finish(whole, 0))
        total = expected[key][2]["steps"]
        job = write_job(directory / f"killed-{kills}", directory / "models", **settings)
        # Recovery checkpoints after every step, or none but the user's own.
        pause = chance.choice([0, 0, 60])
        for step in sorted(chance.sample(range(1, total), min(KILLS_PER_RUN, wanted - kills))):
            kill_rank(job, chance.randrange(layout["devices"]), step, pause)
            kills += 1
        is_equal = results(finish(job, pause)) == expected[key]
        different += not is_equal
        say(f"{kills} kills, {key}: {'equal' if is_equal else f'differs, kept in {job.path}'}")
        if is_equal:
            shutil.rmtree(job.path)
    return kills, different


def peak_share(directory, say):
    """The peak of a rank of two that share a model, as a share of that of one process."""
    make_large_model(directory / "models")
    hook = directory / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(NOTE_PEAK)
    imports = directory / "imports"
    imports.mkdir()
    variables = {"PYTHONPATH": f"{TRAINER}:{hook}", "PEAKS": str(imports), **RETURNING}
    command = [sys.executable, "-c", IMPORTS]
    subprocess.run(command, check=True, env={**os.environ, **variables})
    (before,) = (int(file.read_text()) for file in imports.iterdir())
    peaks = {}
    for devices in (1, 2):
        job = write_job(
            directory / f"large-{devices}",
            directory / "models",
            model="large",
            hp={"batch_size": 8, "max_seq_length": 16, "packing": False},
            threads=1,
            devices=devices,
            sharded=devices > 1,
        )
        noted = job.path / "peaks"
        noted.mkdir()
        job.finish(**{**variables, "PEAKS": str(noted)})
        of_ranks = noted.glob("rank-*" if devices > 1 else "*")
        peaks[devices] = max(int(file.read_text()) - before for file in of_ranks)
        say(f"{devices} devices: {peaks[devices] // 1024} MiB beyond {before // 1024} MiB")
    return peaks[2] / peaks[1]


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.ranks", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--short", action="store_true", help="one job, two ranks, no peaks")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()

    def say(line):
        print(line, file=sys.stderr if options.json else sys.stdout, flush=True)

    say(f"seed {options.seed}")
    os.environ.update(SETTINGS)
    directory = Path(tempfile.mkdtemp(prefix="anneal-ranks-"))
    make_models(directory / "models")
    import_everything()
    jobs, layouts = (("classifier",), LAYOUTS[:2]) if options.short else (EQUAL, LAYOUTS)
    figures = {"largestDifference": largest_difference(directory, jobs, layouts, say)}
    kills, different = kill_runs(directory, layouts, options, say)
    figures |= {"kills": kills, "different": different}
    if not options.short:
        figures["peakShare"] = peak_share(directory, say)
    print(json.dumps(figures) if options.json else figures)
    if not different:
        shutil.rmtree(directory)
    is_good = figures["largestDifference"] <= 1e-6 and figures.get("peakShare", 0) <= 0.65
    return int(different > 0 or not is_good)


if __name__ == "__main__":
    sys.exit(main())
