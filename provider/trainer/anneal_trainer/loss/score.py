"""The loss of a model on a batch, and its means over a dataset."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from anneal_trainer import ranks
from anneal_trainer.data.batch import IGNORED, Batch, Collate, Comparison
from anneal_trainer.data.example import Example
from anneal_trainer.loss.label import label_loss, log_probabilities
from anneal_trainer.loss.preference import Likelihoods, likelihoods, preference_loss
from anneal_trainer.model.matrix_format import multiplying
from anneal_trainer.model.packing import packed_states, vocabulary_head


class Score(NamedTuple):
    """How well a model predicts a batch."""

    loss: Tensor
    """Sum of the cross-entropies in nats over the targets that count, scalar; of answers that are
    compared the sum of their losses."""
    correct: Tensor
    """Targets that were the most likely prediction, int64, scalar; of answers that are compared,
    those that come out right."""


@ranks.distributable
def score(model: nn.Module, batch: Batch, dtype: torch.dtype) -> Score:
    """Run the model forward on a batch, multiplying matrices as `dtype`.

    A causal LM computes logits only at positions with a target, so that prompts need no products
    over the vocabulary. In a padded batch that is every position with a target in any row.
    """
    if batch.comparison is not None:
        divergence = _divergence(model, batch.comparison, dtype)
        found = answer_likelihoods(model, batch, batch.comparison, dtype)
        return Score(*preference_loss(found, batch.comparison, divergence))
    with multiplying(batch.ids.device, dtype):
        if batch.documents is not None:
            states = packed_states(model, batch.ids, batch.documents)[batch.columns]
            head = vocabulary_head(model)
            return Score(*label_loss(states, batch.targets, head.weight, head.bias))
        output = _forward(model, batch)
    flat, targets = output.logits.float().flatten(0, -2), batch.targets.flatten()
    loss = functional.cross_entropy(flat, targets, ignore_index=IGNORED, reduction="sum")
    loss = loss + batch.count * _balancing_loss(model, output)
    return Score(loss, (flat.detach().argmax(-1) == targets).sum())


@ranks.distributable
def answer_likelihoods(
    model: nn.Module, batch: Batch, comparison: Comparison, dtype: torch.dtype
) -> Likelihoods:
    """How likely the answers of a batch are, which are compared."""
    with multiplying(batch.ids.device, dtype):
        if batch.documents is not None:
            states = packed_states(model, batch.ids, batch.documents)[batch.columns]
            head = vocabulary_head(model)
            return likelihoods(
                log_probabilities(states, batch.targets, head.weight, head.bias), comparison
            )
        logits = predict(model, batch)
    counted = batch.targets != IGNORED
    targets, logits = batch.targets[counted], logits[counted].float()
    return likelihoods(-functional.cross_entropy(logits, targets, reduction="none"), comparison)


@torch.no_grad()
def _divergence(model: nn.Module, comparison: Comparison, dtype: torch.dtype) -> Tensor:
    """How far the model is from the one before the training, estimated as KTO does, in nats."""
    batch = comparison.mismatched
    if batch is None or batch.comparison is None:
        return torch.zeros((), device=comparison.references.device)
    found = answer_likelihoods(model, batch, batch.comparison, dtype)
    return (found.answers - batch.comparison.references).mean().clamp(min=0)


@ranks.distributable
def predict(model: nn.Module, batch: Batch) -> Tensor:
    """Logits of a batch that is not packed: (rows, columns, words), or (rows, classes)."""
    logits: Tensor = _forward(model, batch).logits
    return logits


def _forward(model: nn.Module, batch: Batch) -> Any:  # noqa: ANN401
    if batch.pixels is not None:
        return model(pixel_values=batch.pixels)
    keep = batch.columns
    options = {"logits_to_keep": keep, "use_cache": False} if len(keep) else {}
    return model(input_ids=batch.ids, attention_mask=batch.mask, **options)


def _balancing_loss(model: nn.Module, output: Any) -> Tensor | float:  # noqa: ANN401
    """Loss that balances a model's experts, if its configuration asks for it: per target, in nats.

    It depends on all tokens of a batch (Fedus et al. 2021, arXiv:2101.03961), and is part of the
    model's own loss with the same weight.
    """
    balance = getattr(output, "aux_loss", None)
    return 0.0 if balance is None else model.config.router_aux_loss_coef * balance  # type: ignore


@dataclass(frozen=True)
class Evaluation:
    """Means over a set of examples."""

    loss: float
    """Mean cross-entropy in nats per target that counts."""
    accuracy: float
    """Share of targets that were the most likely prediction."""


@torch.no_grad()
def evaluate(
    model: nn.Module,
    examples: Sequence[Example],
    batch_size: int,
    collate: Collate,
    dtype: torch.dtype,
) -> Evaluation:
    """Score examples, rows of similar length together; leaves the model in training mode.

    Ranks take turns with the batches. All of them run the model equally often, because they may
    share its weights, so some repeat a batch that does not count.
    """
    model.eval()
    ordered = sorted(examples, key=lambda example: example.size)
    loss, correct, count = 0.0, 0.0, 0.0
    for start in range(0, len(ordered), batch_size * ranks.count()):
        place = start + batch_size * ranks.rank()
        rows = ordered[place : place + batch_size]
        batch = collate(rows or ordered[:1])
        result = score(model, batch, dtype)
        if rows:
            loss += result.loss.item()
            correct += int(result.correct)
            count += batch.count
    model.train()
    loss, correct, count = ranks.total(loss, correct, count)
    return Evaluation(loss / count, correct / count)
