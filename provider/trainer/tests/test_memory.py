"""Memory: estimates, limits, the search for the largest batch, and refusals before training."""

import json
import os
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from conftest import SUMS, TRAINER

from anneal_trainer import batch_size, train
from anneal_trainer.data.batch import make_batch
from anneal_trainer.data.loading import load_data
from anneal_trainer.job import load_job
from anneal_trainer.model import memory
from anneal_trainer.model.loading import load_model
from anneal_trainer.model.memory import free_bytes

CPU = torch.device("cpu")
LONG = [{"text": "word " * 300} for _ in range(8)]


@pytest.fixture
def free(monkeypatch):
    """Sets the apparent amount of free memory."""

    def set_(count):
        for module in (batch_size, memory):
            monkeypatch.setattr(module, "free_bytes", lambda _: count)

    return set_


def test_a_model_that_cannot_fit_is_refused_before_it_is_loaded(make_job, free, monkeypatch):
    free(5_000_000)
    monkeypatch.setattr(train, "load_model", pytest.fail)
    job = make_job()
    assert job.run() == 4
    assert job.result["code"] == "out-of-memory"
    # 589,824 weights of 4 bytes, and three times that for gradients and optimizer.
    assert job.result["message"].startswith("Training needs about 9.5 MB for weights (2.4 MB), ")
    assert "5.0 MB are free" in job.result["message"]
    assert "lora" in job.result["hint"]
    assert not job.events("started")


def test_an_adapter_needs_less_than_the_whole_model(make_job, free):
    free(9_000_000)
    full = make_job("full", hp={"n_epochs": 1})
    adapter = make_job("adapter", rows=SUMS[:2], hp={"n_epochs": 1, "lora": True, "lora_r": 1})
    assert full.run() == 4
    assert adapter.run() == 0


def test_max_takes_the_batch_whose_estimate_fits(make_job, free):
    sizes = []
    for room in (400_000_000, 60_000_000, 30_000_000):
        free(room)
        job = make_job(f"job-{room}", rows=LONG, hp={"n_epochs": 1})
        assert job.run() == 0
        sizes.append(job.result["batch_size"])
    assert sizes[0] == 8
    assert sizes[0] > sizes[1] > sizes[2] >= 1


def test_rows_that_cannot_fit_are_refused_with_the_estimate(make_job, free):
    free(12_000_000)
    longest = make_job("longest", rows=LONG)
    assert longest.run() == 4
    assert "The longest 1 row with " in longest.result["message"]
    assert "12.0 MB are free" in longest.result["message"]
    assert "max_seq_length" in longest.result["hint"]
    fixed = make_job("fixed", rows=LONG, hp={"batch_size": 8})
    assert fixed.run() == 4
    assert "The longest 8 rows with " in fixed.result["message"]
    assert not fixed.events("started")


def test_the_estimate_is_within_a_tenth_of_the_measured_peak():
    # Freed memory returns to the system, so that the peak is that of tensors.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(1 << 18)}
    command = [sys.executable, str(Path(__file__).with_name("peak_memory.py"))]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    ways = [json.loads(line) for line in output.stdout.splitlines()]
    assert len(ways) == 2
    for way in ways:
        assert way["estimate"] == pytest.approx(way["measured"], rel=0.1), way


def test_weights_that_the_backward_pass_reads_are_not_counted_again(make_job):
    """They are counted as weights: with a frozen model they would be most of the estimate."""
    job = load_job(make_job(rows=SUMS[:1], hp={"lora": True, "lora_r": 1}).path)
    data = load_data(job)
    model = load_model(job.model_directory, "causal-lm", [], job.hyperparameters).train()
    collate = partial(make_batch, pad_id=data.pad_id, device=CPU)
    meter = batch_size._Meter(model, data.train.examples, collate, torch.float32)
    one, two = (
        meter.estimate(
            collate([*data.train.examples] * rows), 0, 0, checkpointing=False
        ).activations
        for rows in (1, 2)
    )
    # Without a constant of 2.4 MB of weights, two rows keep twice as much as one.
    assert two == pytest.approx(2 * one, rel=0.1)


def test_activations_are_computed_again_if_they_would_not_fit(make_job, free):
    free(1_000_000_000)
    rows, hp = LONG, {"n_epochs": 2, "batch_size": 8}
    kept = make_job("kept", rows=rows, hp=hp)
    assert kept.run() == 0
    free(65_000_000)
    again = make_job("again", rows=rows, hp=hp)
    assert again.run() == 0
    assert [job.events("started")[0]["activation_checkpointing"] for job in (kept, again)] == [
        False,
        True,
    ]
    assert any("computed again" in event["message"] for event in again.events("warning"))
    losses = [[event["loss"] for event in job.events("progress")] for job in (kept, again)]
    assert losses[0] == losses[1]
    assert kept.files("out")["model.safetensors"] == again.files("out")["model.safetensors"]


def test_a_restart_computes_activations_again_if_the_run_did(make_job, free):
    free(65_000_000)
    hp = {"n_epochs": 2, "batch_size": 8}
    whole, stopped = (make_job(name, rows=LONG, hp=hp) for name in ("whole", "stopped"))
    assert whole.run() == 0
    assert stopped.run(is_stopped=lambda: bool(stopped.events("progress"))) != 0
    free(1_000_000_000)
    assert stopped.run() == 0
    assert stopped.events("started")[-1]["activation_checkpointing"] is True
    assert stopped.result["loss_after"] == whole.result["loss_after"]


def test_what_torch_keeps_of_a_gpu_for_reuse_is_free(monkeypatch):
    """Otherwise an attempt that ran out of memory would leave none for a smaller one."""
    figures = {"mem_get_info": (10, 80), "memory_reserved": 65, "memory_allocated": 20}
    for name, figure in figures.items():
        monkeypatch.setattr(torch.cuda, name, lambda _, figure=figure: figure)
    assert free_bytes(torch.device("cuda")) == 10 + 65 - 20


def test_control_groups_of_both_versions_count_with_their_caches(tmp_path, monkeypatch):
    one = tmp_path / "memory/docker/abc"
    one.mkdir(parents=True)
    (one / "memory.limit_in_bytes").write_text("1000000\n")
    (one / "memory.usage_in_bytes").write_text("700000\n")
    (one / "memory.stat").write_text("cache 5\ninactive_file 100000\n")
    two = tmp_path / "pod"
    two.mkdir()
    for folder, limit in ((two, "900000"), (tmp_path, "max")):
        (folder / "memory.max").write_text(limit + "\n")
        (folder / "memory.current").write_text("300000\n")
        (folder / "memory.stat").write_text("anon 3\n")
    lines = "4:memory:/docker/abc/inner\n1:cpu:/docker\n0::/pod/inner\n"
    assert sorted(memory._cgroup_limits(tmp_path, lines)) == [400_000, 600_000]
    assert list(memory._cgroup_limits(tmp_path, "0::/elsewhere\n")) == []


def test_a_limit_on_the_address_space_is_respected():
    """In a separate process, because the limit can be lowered, but not raised again."""
    lines = (
        "import resource, torch; from anneal_trainer.model.memory import free_bytes",
        "cpu = torch.device('cpu')",
        "pages = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()",
        "resource.setrlimit(resource.RLIMIT_AS, (pages + 200_000_000,) * 2)",
        "assert 0 < free_bytes(cpu) <= 200_000_000, free_bytes(cpu)",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=TRAINER, check=True)
    assert resource.getrlimit(resource.RLIMIT_AS)[0] != 0
    assert free_bytes(CPU) > 200_000_000
