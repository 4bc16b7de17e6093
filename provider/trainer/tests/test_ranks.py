"""Several ranks train one model: the result is that of one process, also after a rank has died."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import HANGS_AFTER, SIGKILL, SIGTERM, TRAINER, after_step

from anneal_trainer import launch
from anneal_trainer.job import load_job
from anneal_trainer.schedule import Plan

TWO = {"devices": 2, "threads": 1, "hp": {"n_epochs": 1, "batch_size": 2, "lora": True}}


def test_two_ranks_train_what_one_process_trains_also_after_the_death_of_one():
    command = [sys.executable, "-m", "tests.ranks", "--short", "--kills", "1", "--seed", "1"]
    ran = subprocess.run(
        command, cwd=TRAINER, capture_output=True, text=True, timeout=3 * HANGS_AFTER
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "'kills': 1, 'different': 0" in ran.stdout


@pytest.mark.deep
def test_the_launcher_ends_all_ranks_with_one_and_continues_from_their_checkpoint(make_job):
    job = make_job(**TWO)
    process = job.start("--recovery-seconds", "0")
    code, errors = job.signal_when(process, SIGKILL, after_step(3), of=lambda: rank_of(process, 1))
    assert code == launch.SIGNALLED + SIGKILL, errors
    assert not (job.work / "result.json").exists()
    process = job.start("--recovery-seconds", "0")
    code, errors = job.signal_when(process, SIGTERM, lambda job: len(job.events("started")) > 1)
    assert (code, job.result["status"]) == (75, "stopped"), errors
    assert job.events("started")[-1]["resumed_from"] > 0
    assert job.events("started")[-1]["environment"]["ranks"] == 2
    assert (job.work / job.events("stopped")[-1]["path"] / "COMPLETE").exists()


def rank_of(launcher, rank):
    """The process of a rank that a launcher has started."""
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    ranks = {child: Path(f"/proc/{child}/environ").read_bytes().split(b"\0") for child in children}
    return next(int(child) for child, names in ranks.items() if b"RANK=%d" % rank in names)


def test_every_row_of_a_step_is_on_one_rank_also_if_there_are_fewer_rows_than_ranks(make_job):
    job = load_job(make_job(hp={"batch_size": 2, "gradient_accumulation_steps": 2}).path)
    plan = Plan(13, 2, job.hyperparameters)
    for step in range(plan.steps_per_epoch):
        expected = sorted(row for batch in plan.batches(step) for row in batch)
        for ranks in range(1, 9):
            shares = [plan.batches(step, rank, ranks) for rank in range(ranks)]
            assert len({len(batches) for batches in shares}) == 1
            rows = [row for batches in shares for batch in batches for row in batch]
            assert sorted(rows) == expected
            assert all(len(batch) <= 2 for batches in shares for batch in batches)
