"""The speed and the memory of one arm of the training benchmark, on one GPU."""

import argparse
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import train_arms
import train_gates
from gpu_watch import Bench
from train_report import peak_share
from train_workspace import generate_rows, make_model, write_job

# The Trainer's own imports take seconds, which every arm would spend again.
from transformers import Trainer as Trainer

from anneal_trainer import train
from anneal_trainer.data.loading import load_data
from anneal_trainer.job import load_job
from anneal_trainer.model.checkpoint import CheckpointStore
from anneal_trainer.model.files import read_shapes

STEPS = 12
TOKENS = 16_384
"""Of a step, if all its rows had the maximum length."""
MEDIAN_SHARE = 0.4
"""The median length of rows, as a share of the maximum length."""
MEDIAN_TOKENS = 115
"""The median length of generated rows; twice as many tokens with the tiny model's tokenizer."""
REHEARSED_LENGTH = 128


def prepare_model(bench: Bench, size: str) -> None:
    """Make a model of this size, with random weights."""
    directory = bench.shared / size
    make_model(directory, "tiny" if bench.rehearsal else size, list(generate_rows(400)))
    bench.note(weights=count_weights(directory))


def run_arm(bench: Bench, size: str, lora: bool, length: int, arm: str) -> None:
    """Train a few steps with one arm, and note speed, share of the peak, memory and loss."""
    workspace = bench.folder
    (workspace / "model").symlink_to(bench.shared / size)
    rows, steps, median = TOKENS // length, STEPS, MEDIAN_TOKENS
    if bench.rehearsal:
        size, length, rows, steps, median = (
            "tiny",
            REHEARSED_LENGTH,
            2,
            3,
            2 * MEDIAN_TOKENS,
        )
    texts = list(generate_rows(rows * steps, MEDIAN_SHARE * length / median))
    settings = {
        "learning_rate": 1e-5,
        "max_seq_length": length,
        "batch_size": rows,
        "lora": lora,
    }
    write_job(workspace, texts, settings)
    with ExitStack() as stack:
        if arm == "ours":
            stack.enter_context(_undelivered())
            stack.enter_context(_noted_estimate(bench))
        figures = train_arms.ARMS[arm](workspace)
    measured = train_gates.measure_rows(load_data(load_job(workspace)).train.examples)
    speed = figures["tokens"] / figures["seconds"]
    cuda = torch.cuda.is_available()
    parity = {
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "weights": count_weights(workspace / "model"),
        "rows": measured,
    }
    share = peak_share(argparse.Namespace(size=size, lora=lora), parity, speed)
    bench.note(
        tokensPerSecond=speed,
        peakShare=share,
        rows=measured,
        **figures,
    )


def count_weights(directory: Path) -> int:
    """Count the weights in the files of a model."""
    return sum(math.prod(shape) for shape in read_shapes(directory).values())


@contextmanager
def _undelivered() -> Iterator[None]:
    """Write no files: of large models that takes longer than the steps that are measured."""
    with (
        patch.object(CheckpointStore, "keep", lambda *_: ""),
        patch.object(train, "write_directory", lambda *_: None),
    ):
        yield


@contextmanager
def _noted_estimate(bench: Bench) -> Iterator[None]:
    """Note the trainer's own estimate of weights and a step on the longest rows."""
    find = train.find_batch_size

    def find_and_note(model: Any, *arguments: Any) -> Any:  # noqa: ANN401
        fit = find(model, *arguments)
        weights = sum(weight.nbytes for weight in model.parameters())
        bench.note(
            estimatedBytes=weights + fit.memory.total,
            activationsAgain=fit.checkpointing,
        )
        return fit

    with patch.object(train, "find_batch_size", find_and_note):
        yield
