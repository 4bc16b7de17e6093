"""Preference pairs: how much the model prefers the better answers before it is trained."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from anneal_trainer.data.batch import Collate
from anneal_trainer.data.example import Dataset, Example
from anneal_trainer.data.loading import JobData
from anneal_trainer.loss.score import log_probabilities


def measure_reference_margins(
    model: nn.Module, data: JobData, batch_size: int, collate: Collate, dtype: torch.dtype
) -> JobData:
    """Set the reference margin of every pair: how much the model prefers the better answer now.

    It is the reference of the loss, so the model must be the one that training starts from. Data
    without pairs is returned unchanged. Leaves the model in training mode.
    """
    if data.train.examples[0].rejected is None:
        return data
    model.eval()
    train = _measure(model, data.train, batch_size, collate, dtype)
    validation = data.validation and _measure(model, data.validation, batch_size, collate, dtype)
    model.train()
    return replace(data, train=train, validation=validation)


@torch.no_grad()
def _measure(
    model: nn.Module, dataset: Dataset, batch_size: int, collate: Collate, dtype: torch.dtype
) -> Dataset:
    margins: list[float] = []
    for start in range(0, len(dataset.examples), batch_size):
        rows: Sequence[Example] = dataset.examples[start : start + batch_size]
        better, worse = log_probabilities(model, collate(rows), dtype).chunk(2)
        margins += (better - worse).tolist()
    return replace(dataset, examples=dataset.examples.with_margins(margins))
