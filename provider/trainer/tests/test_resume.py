"""Stops, kills and restarts: the result is the same, bit for bit."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import HANGS_AFTER, REVIEWS, SIGKILL, SIGTERM, TRAINER, after_step
from safetensors import SafetensorError

from anneal_trainer.model import checkpoint

# Dropout makes the result depend on the random generators' state, too.
CLASSIFIER = {"n_epochs": 3, "n_checkpoints": 3, "n_evals": 2, "learning_rate": 1e-3,
              "batch_size": 4}  # fmt: skip
ADAPTER = {"n_epochs": 3, "learning_rate": 1e-3, "batch_size": 2, "lora": True,
           "lora_dropout": 0.3, "lr_scheduler_type": "cosine"}  # fmt: skip


def assert_equal_results(one, other):
    assert one.files("out") == other.files("out")
    assert one.files("checkpoints") == other.files("checkpoints")
    results = [{**job.result, "seconds": 0} for job in (one, other)]
    assert results[0] == results[1]


def stop_after(calls):
    remaining = iter([False] * calls)
    return lambda: next(remaining, True)


def test_stopped_after_any_step_and_resumed_the_result_is_the_same(make_job):
    settings = {"kind": "text-classification", "hp": CLASSIFIER, "validation": REVIEWS[::5]}
    whole = make_job("whole", **settings)
    assert whole.run() == 0
    stopped = make_job("stopped", **settings)
    total = whole.result["steps"]
    for step in (0, 1, 6, 7, total - 1):
        done = stopped.events("progress")
        assert stopped.run(stop_after(step - (done[-1]["step"] if done else 0))) == 75
        assert stopped.result["status"] == "stopped"
        assert stopped.events("stopped")[-1]["step"] == step
    assert stopped.run() == 0
    assert_equal_results(whole, stopped)
    numbers = [event["seq"] for event in stopped.events()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [event["resumed_from"] for event in stopped.events("started")] == [
        None, 0, 1, 6, 7, total - 1
    ]  # fmt: skip
    assert not stopped.files("recovery")


def test_killed_at_any_moment_and_restarted_the_weights_are_the_same(make_job):
    settings = {
        "kind": "text-classification",
        "hp": {**CLASSIFIER, "n_epochs": 6},
        "validation": REVIEWS[::5],
    }
    whole = make_job("whole", **settings).finish()
    killed = make_job("killed", **settings)
    # Recovery checkpoints as often as possible; the kill may hit while one is being written.
    process = killed.start("--recovery-seconds", "0")
    code, _ = killed.signal_when(process, SIGKILL, after_step(8))
    assert code == -SIGKILL
    assert not (killed.work / "result.json").exists()
    killed.finish("--recovery-seconds", "0")
    assert killed.events("started")[-1]["resumed_from"] > 0
    assert_equal_results(whole, killed)
    numbers = [event["seq"] for event in killed.events()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_killed_at_random_moments_the_result_is_the_same():
    command = [sys.executable, "-m", "tests.kill", "--runs", "3", "--seed", "2"]
    ended = subprocess.run(
        command, cwd=TRAINER, capture_output=True, text=True, timeout=3 * HANGS_AFTER
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 of 3 runs bit-equal" in ended.stdout


def no_space(*_, **__):
    raise SafetensorError("I/O error: No space left on device (os error 28)")


def no_quota(*_, **__):
    raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))


def full_device(*_, **__):
    with Path("/dev/full").open("w") as file:
        file.write("anything")


@pytest.mark.parametrize("fail", [no_space, no_quota, full_device])
def test_a_full_disk_is_told_and_leaves_the_older_checkpoint(make_job, monkeypatch, capsys, fail):
    hp = {**ADAPTER, "n_epochs": 2, "n_checkpoints": 2}
    whole = make_job("whole", hp=hp)
    assert whole.run() == 0
    job = make_job("full", hp=hp)
    save, saved = checkpoint.save_file, []

    def save_once(tensors, path, **options):
        if saved:
            fail()
        saved.append(path)
        save(tensors, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", save_once)
        assert job.run() == 1
    steps = whole.result["steps"]
    assert (job.result["code"], job.result["retryable"]) == ("disk-full", True)
    assert job.result["message"] == (
        f"The disk is full: checkpoints/step-{steps} could not be written."
    )
    assert "Traceback" not in capsys.readouterr().err
    assert [path.name for path in (job.work / "checkpoints").iterdir()] == [f"step-{steps // 2}"]
    assert job.run() == 0
    assert job.events("started")[-1]["resumed_from"] == steps // 2
    assert_equal_results(whole, job)


@pytest.mark.parametrize("file", ["training.safetensors", "state.json", "config.json"])
def test_a_checkpoint_damaged_after_it_was_complete_is_passed_over(make_job, file):
    job = make_job(hp={**ADAPTER, "n_epochs": 2, "n_checkpoints": 2})
    assert job.run() == 0
    before, steps = job.files("out"), job.result["steps"]
    damaged = job.work / f"checkpoints/step-{steps}" / file
    content = damaged.read_bytes()
    damaged.write_bytes(content[: len(content) // 2])
    assert job.run() == 0
    assert job.events("started")[-1]["resumed_from"] == steps // 2
    assert job.files("out") == before


def test_sigterm_finishes_the_step_exits_75_and_resumes_the_same(make_job):
    whole = make_job("whole", hp=ADAPTER)
    assert whole.run() == 0
    stopped = make_job("stopped", hp=ADAPTER)
    code, errors = stopped.signal_when(stopped.start(), SIGTERM, after_step(3))
    assert (code, errors) == (75, b"")
    assert stopped.result["status"] == "stopped"
    assert stopped.result["exit_code"] == 75
    saved = stopped.events("stopped")[-1]
    assert saved["step"] == stopped.events("progress")[-1]["step"]
    assert (stopped.work / saved["path"] / "COMPLETE").exists()
    assert stopped.run() == 0
    assert stopped.events("started")[-1]["resumed_from"] == saved["step"]
    assert_equal_results(whole, stopped)


def test_a_checkpoint_without_its_mark_or_half_renamed_is_never_used(make_job):
    hp = {**ADAPTER, "n_epochs": 2, "n_checkpoints": 2}
    job = make_job(hp=hp)
    assert job.run() == 0
    before = job.files("out")
    last = job.work / f"checkpoints/step-{job.result['steps']}"
    (last / "COMPLETE").unlink()
    (last / "training.safetensors").write_bytes(b"torn")
    torn = last.with_name("step-9999.tmp")
    torn.mkdir()
    (torn / "COMPLETE").touch()
    assert job.run() == 0
    assert job.events("started")[-1]["resumed_from"] == job.result["steps"] // 2
    assert job.files("out") == before


def test_a_finished_job_run_again_is_finished_again(make_job):
    job = make_job(hp={**ADAPTER, "n_epochs": 1})
    assert job.run() == 0
    before, steps = job.files("out"), len(job.events("progress"))
    assert job.run() == 0
    assert job.files("out") == before
    assert len(job.events("progress")) == steps


def test_a_checkpoint_of_another_job_is_refused(make_job):
    job = make_job(hp={**ADAPTER, "n_epochs": 1})
    assert job.run() == 0
    document = json.loads((job.path / "job.json").read_text())
    document["hyperparameters"]["seed"] = 7
    (job.path / "job.json").write_text(json.dumps(document))
    assert job.run() == 2
    assert "made with another job" in job.result["message"]


@pytest.mark.parametrize("kind", ["causal-lm", "text-classification"])
def test_the_same_job_writes_the_same_bytes_and_another_seed_others(make_job, kind):
    hp = {"n_epochs": 1, "learning_rate": 1e-3, "lora": kind == "causal-lm"}
    jobs = [
        make_job(name, kind=kind, hp={**hp, "seed": seed})
        for name, seed in (("one", 1), ("same", 1), ("other", 2))
    ]
    for job in jobs:
        assert job.run() == 0
    one, same, other = (job.files("out") for job in jobs)
    assert one == same
    weights = "adapter_model.safetensors" if kind == "causal-lm" else "model.safetensors"
    assert one[weights] != other[weights]
