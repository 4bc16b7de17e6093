"""Kill the trainer at random moments and compare the results: `python -m tests.kill --runs 100`.

Each run starts a job in a separate process, kills it (SIGKILL) at random moments, starts it again
until it completes, and compares every byte of out/ and checkpoints/ with those of a run that was
never killed. Processes are forked from one that has imported everything, so that kills happen
during training and not during imports. The seed is printed first; it reproduces the jobs and, as
far as timing permits, the moments.
"""

import argparse
import contextlib
import io
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

from conftest import REVIEWS, SIGKILL, write_job

from anneal_trainer import tiny_models
from anneal_trainer.__main__ import SETTINGS, run

CLASSIFIER = {"n_epochs": 4, "n_checkpoints": 4, "n_evals": 2, "learning_rate": 1e-3}
FULL = {"n_epochs": 3, "n_checkpoints": 2, "learning_rate": 1e-3, "lr_scheduler_type": "cosine"}
ADAPTER = {**FULL, "lora": True, "lora_dropout": 0.3, "batch_size": 4}
JOBS = {
    # Dropout makes the result depend on the random generators' state, too.
    "classifier": {
        "kind": "text-classification",
        "validation": REVIEWS[::5],
        "hp": {**CLASSIFIER, "batch_size": 4},
    },
    "adapter": {"hp": ADAPTER},
    "full": {"hp": {**FULL, "batch_size": "max"}},
}
MAX_KILLS = 4
TIMEOUT_SECONDS = 120
"""Maximum seconds from a start of the trainer to its end."""


def start(job, recovery_seconds):
    """Run the trainer in a separate process and return its id."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os._exit(run(job.path, lambda: False, recovery_seconds))
    return child


def finish(child):
    """Wait for a process; return its exit code, or the negative number of a signal."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(child, SIGKILL)
    os.waitpid(child, 0)
    raise TimeoutError(f"The trainer did not end in {TIMEOUT_SECONDS} seconds.")


def kill_after(child, seconds):
    """Kill a process after some time; return whether it was still running."""
    time.sleep(seconds)
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended:
        assert os.waitstatus_to_exitcode(status) == 0, status
        return False
    os.kill(child, SIGKILL)
    os.waitpid(child, 0)
    return True


def moment_of(job):
    """Return what a killed trainer was doing."""
    if (job.work / "result.json").exists():
        return "after the end"
    torn = sorted(path.parent.name for path in job.work.rglob("*.tmp") if path.is_dir())
    if torn:
        return f"writing {'out' if job.work.name in torn else torn[0]}"
    return "between steps" if job.events("progress") else "before the first step"


def results(job):
    result = {**job.result, "seconds": 0}
    return job.files("out"), job.files("checkpoints"), result


def compare(job, expected):
    """Return what differs from an undisturbed run, None if nothing does."""
    numbers = [event["seq"] for event in job.events()]
    if numbers != list(range(1, len(numbers) + 1)):
        return "the journal's numbers have gaps"
    for name, ours, theirs in zip(("out", "checkpoints"), results(job), expected, strict=False):
        differing = sorted(
            file for file in ours.keys() | theirs.keys() if ours.get(file) != theirs.get(file)
        )
        if differing:
            return f"{name}: {', '.join(differing)}"
    return "result.json" if results(job)[2] != expected[2] else None


def disturb(job, chance, seconds, moments):
    """Start a job and kill it repeatedly, then let it complete; return the number of kills."""
    kills = 0
    # Recovery checkpoints after every step, or none but the user's own.
    recovery_seconds = chance.choice([0, 0, 60])
    for _ in range(chance.randint(1, MAX_KILLS)):
        child = start(job, recovery_seconds)
        if not kill_after(child, chance.uniform(0, seconds)):
            break
        kills += 1
        moments[moment_of(job)] += 1
    code = finish(start(job, recovery_seconds))
    assert code == 0, (job.work / "result.json").read_text()
    return kills


def kill_runs(runs, seed, directory):
    """Return the number of runs with different results, after printing a report."""
    # Loaded before the first fork. No tensor is touched here: threads do not survive a fork.
    import peft  # noqa: F401
    import transformers  # noqa: F401

    import anneal_trainer.train  # noqa: F401

    models = directory / "models"
    with contextlib.redirect_stdout(io.StringIO()):
        assert tiny_models.main([str(models)]) == 0
    chance, moments, different, kills = random.Random(seed), Counter(), 0, 0
    expected, seconds = {}, {}
    for name, settings in JOBS.items():
        job = write_job(directory / "whole" / name, models, **settings)
        began = time.monotonic()
        assert finish(start(job, 0)) == 0
        seconds[name], expected[name] = time.monotonic() - began, results(job)
    for number in range(runs):
        name = chance.choice(list(JOBS))
        job = write_job(directory / f"killed-{number}", models, **JOBS[name])
        kills += disturb(job, chance, seconds[name], moments)
        difference = compare(job, expected[name])
        if difference:
            different += 1
            print(f"Run {number} ({name}) differs in {difference}; kept in {job.path}")
        else:
            shutil.rmtree(job.path)
    print(f"{runs - different} of {runs} runs bit-equal after {kills} kills:")
    print("\n".join(f"  {count:4} {moment}" for moment, count in moments.most_common()))
    return different


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.kill", description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    os.environ.update(SETTINGS)
    directory = Path(tempfile.mkdtemp(prefix="anneal-kill-"))
    different = kill_runs(options.runs, options.seed, directory)
    if not different:
        shutil.rmtree(directory)
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main())
