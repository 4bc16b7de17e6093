"""References: how likely a model finds answers before it is trained."""

from dataclasses import replace

import torch
from torch import nn

from anneal_trainer.data.batch import Batch, Collate
from anneal_trainer.data.example import Dataset, Examples
from anneal_trainer.data.loading import JobData
from anneal_trainer.data.order import row_order
from anneal_trainer.loss.score import answer_likelihoods


def measure_references(
    model: nn.Module,
    data: JobData,
    batch_size: int,
    collate: Collate,
    dtype: torch.dtype,
    seed: int,
) -> JobData:
    """Set the references of all answers: their log-probabilities now.

    The model must be the one that training starts from. Answers with a label are also mismatched
    with prompts, in the batches of the first pass with this seed. Data of a method without
    reference is returned unchanged. Leaves the model in training mode.
    """
    preference = data.preference
    if preference is None or not preference.has_reference:
        return data

    def measure(dataset: Dataset) -> Dataset:
        examples = dataset.examples
        if preference.method == "kto":
            order = row_order(len(examples), seed)
            examples = examples.with_partners(_rotate(order, batch_size), data.max_length)
        references = _measure(model, examples, batch_size, collate, dtype)
        return replace(dataset, examples=examples.with_references(references))

    model.eval()
    train, validation = measure(data.train), data.validation and measure(data.validation)
    model.train()
    return replace(data, train=train, validation=validation)


def _rotate(order: list[int], batch_size: int) -> list[int]:
    """Return for each row the one before it in its batch, for the first one the last.

    In a batch of one row it is the row before in the whole order, as its own answer is no mismatch.
    """
    partners = [0] * len(order)
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        before = batch[-1] if len(batch) > 1 else order[start - 1]
        for row in batch:
            partners[row], before = before, row
    return partners


@torch.no_grad()
def _measure(
    model: nn.Module, examples: Examples, batch_size: int, collate: Collate, dtype: torch.dtype
) -> list[tuple[float, float]]:
    """Return the log-probabilities of both texts of each row."""

    def answers(batch: Batch) -> list[float]:
        assert batch.comparison is not None
        measured: list[float] = answer_likelihoods(
            model, batch, batch.comparison, dtype
        ).answers.tolist()
        return measured

    references: list[tuple[float, float]] = []
    for start in range(0, len(examples), batch_size):
        rows = examples[start : start + batch_size]
        batch = collate(rows)
        assert batch.comparison is not None
        found, other = answers(batch), batch.comparison.mismatched
        if other is not None:
            found += answers(other)
        references += zip(found[: len(rows)], found[len(rows) :], strict=True)
    return references
