"""Correctness gates: a packed run must equal the padded run, except for floating-point rounding."""

import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "provider" / "trainer"))

from anneal_trainer.__main__ import SETTINGS

os.environ.update(SETTINGS)

import torch
from torch import Tensor, nn
from train_report import gate

from anneal_trainer.data.batch import Batch, make_batch, make_packed_batch
from anneal_trainer.data.example import Example
from anneal_trainer.data.loading import load_data
from anneal_trainer.job import load_job
from anneal_trainer.loss.score import score
from anneal_trainer.model.loading import load_model, trainable_parameters
from anneal_trainer.model.matrix_format import multiplying, plain_format
from anneal_trainer.model.packing import packed_states, try_packing

ROWS = 8


def measure_gates(
    model: nn.Module, rows: Sequence[Example], pad_id: int, device: torch.device
) -> list[dict[str, Any]]:
    """Compare packed with padded training on rows: loss, gradients, and leakage between rows.

    On a GPU matrices are multiplied as bfloat16, in two different kernels: limits are wider there.
    A CPU computes both in 32-bit floats here, whatever format it trains in.
    """
    dtype = plain_format(device)
    padded = loss_and_gradients(model, make_batch(rows, pad_id, device), dtype)
    reason = try_packing(model, [row.ids for row in rows], dtype)
    if reason is not None:
        return [gate(f"packing ({reason})", math.inf, 0.0)]
    packed = loss_and_gradients(model, _pack(rows, device), dtype)
    rounding = 1e-5 if device.type == "cpu" else 2e-2
    return [
        gate("loss", abs(packed[0] - padded[0]) / padded[0], rounding),
        gate("gradients", _distance(packed[1], padded[1]), rounding * 5),
        gate("leakage", _leakage(model, rows, device), 0.0),
    ]


def loss_and_gradients(
    model: nn.Module, batch: Batch, dtype: torch.dtype
) -> tuple[float, Tensor]:
    """Return the mean loss of a batch, and all its gradients in one row."""
    loss = score(model, batch, dtype).loss / batch.count
    loss.backward()
    gradients = [
        weight.grad.flatten() for weight in trainable_parameters(model).values()
    ]
    model.zero_grad()
    return loss.item(), torch.cat(gradients)


@torch.no_grad()
def _leakage(model: nn.Module, rows: Sequence[Example], device: torch.device) -> float:
    """Change the middle row and measure how much the states of the others change."""
    middle = len(rows) // 2
    row = rows[middle]
    others = [*rows[:middle], replace(row, ids=row.ids[::-1]), *rows[middle + 1 :]]
    one, other = (_states(model, _pack(some, device)) for some in (rows, others))
    begin = sum(len(some.ids) for some in rows[:middle])
    kept = torch.ones(len(one), dtype=torch.bool, device=device)
    kept[begin : begin + len(row.ids)] = False
    assert not torch.equal(one[~kept], other[~kept])
    return _distance(one[kept], other[kept])


def _pack(rows: Sequence[Example], device: torch.device) -> Batch:
    return make_packed_batch(rows, device)


def _states(model: nn.Module, batch: Batch) -> Tensor:
    assert batch.documents is not None
    device = batch.ids.device
    with multiplying(device, plain_format(device)):
        return packed_states(model, batch.ids, batch.documents)


def _distance(one: Tensor, other: Tensor) -> float:
    return ((one - other).norm() / other.norm()).item()


def measure_rows(rows: Sequence[Example]) -> dict[str, int]:
    """Sum up what the operations of a model depend on."""
    return {
        "count": len(rows),
        "tokens": sum(len(row.ids) for row in rows),
        "labelTokens": sum(sum(row.counts[1:]) for row in rows),
        "squaredLengths": sum(len(row.ids) ** 2 for row in rows),
    }


def main(workspace: Path) -> dict[str, Any]:
    """Measure the gates of a workspace, and the figures of its rows and model."""
    job = load_job(workspace)
    data = load_data(job)
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    torch.manual_seed(job.hyperparameters.seed)
    model = (
        load_model(job.model_directory, job.kind, [], job.hyperparameters)
        .to(device)
        .train()
    )
    rows = data.train.examples
    return {
        "gates": measure_gates(model, rows[:ROWS], data.pad_id, device),
        "weights": sum(weight.numel() for weight in model.parameters()),
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "rows": measure_rows(rows),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
