"""Batches of examples, and the loss of a model on them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from finetune.data import Example

IGNORED = -100
"""Target of a position that does not count in the loss."""


@dataclass(frozen=True)
class Batch:
    """Rows padded to the longest of them."""

    ids: Tensor
    """Token ids, int64, (rows, tokens)."""
    mask: Tensor
    """1 for tokens, 0 for padding, int64, (rows, tokens)."""
    targets: Tensor
    """Causal LM: the token to predict or IGNORED, int64, (rows, positions).
    Classification: the class, int64, (rows,)."""
    columns: Tensor
    """Causal LM: positions whose prediction counts in some row, int64, (positions,)."""
    count: int
    """Targets that count: label tokens, or rows."""
    tokens: int
    """Tokens without padding."""


@dataclass(frozen=True)
class Score:
    """How well a model predicts a batch."""

    loss: Tensor
    """Sum of the cross-entropies in nats over the targets that count, scalar."""
    correct: Tensor
    """Targets that were the likeliest prediction, int64, scalar."""


def make_batch(examples: Sequence[Example], pad_id: int, device: torch.device) -> Batch:
    """Pad examples at their end; padding is neither attended to nor predicted."""
    width = max(len(example.ids) for example in examples)
    ids = torch.full((len(examples), width), pad_id, dtype=torch.long)
    mask = torch.zeros((len(examples), width), dtype=torch.long)
    targets = torch.full((len(examples), width), IGNORED, dtype=torch.long)
    for row, example in enumerate(examples):
        length = len(example.ids)
        ids[row, :length] = torch.tensor(example.ids)
        mask[row, :length] = 1
        if example.counts:
            # Position t predicts token t + 1.
            next_ids = torch.tensor(example.ids[1:])
            counts = torch.tensor(example.counts[1:])
            targets[row, : length - 1] = next_ids.masked_fill(~counts, IGNORED)
    tokens = int(mask.sum())
    if examples[0].label >= 0:
        classes = torch.tensor([example.label for example in examples])
        return Batch(
            ids.to(device), mask.to(device), classes.to(device), classes[:0], len(examples), tokens
        )
    columns = (targets != IGNORED).any(dim=0).nonzero().flatten()
    targets = targets[:, columns]
    count = int((targets != IGNORED).sum())
    return Batch(
        ids.to(device), mask.to(device), targets.to(device), columns.to(device), count, tokens
    )


def score(model: nn.Module, batch: Batch) -> Score:
    """Run the model forward on a batch. On a GPU matrices are multiplied as bfloat16.

    A causal LM computes logits only where some row has a target: prompts cost no vocabulary-wide
    products.
    """
    options = {"logits_to_keep": batch.columns, "use_cache": False} if len(batch.columns) else {}
    with torch.autocast(batch.ids.device.type, torch.bfloat16, enabled=batch.ids.is_cuda):
        logits = model(input_ids=batch.ids, attention_mask=batch.mask, **options).logits
    flat, targets = logits.float().flatten(0, -2), batch.targets.flatten()
    loss = functional.cross_entropy(flat, targets, ignore_index=IGNORED, reduction="sum")
    return Score(loss, (flat.detach().argmax(-1) == targets).sum())


@dataclass(frozen=True)
class Evaluation:
    """Means over a set of examples."""

    loss: float
    """Mean cross-entropy in nats per target that counts."""
    accuracy: float
    """Share of targets that were the likeliest prediction."""


@torch.no_grad()
def evaluate(
    model: nn.Module,
    examples: Sequence[Example],
    batch_size: int,
    pad_id: int,
    device: torch.device,
) -> Evaluation:
    """Score examples, rows of similar length together; leaves the model in training mode."""
    model.eval()
    ordered = sorted(examples, key=lambda example: len(example.ids))
    loss, correct, count = 0.0, 0, 0
    for start in range(0, len(ordered), batch_size):
        batch = make_batch(ordered[start : start + batch_size], pad_id, device)
        result = score(model, batch)
        loss += result.loss.item()
        correct += int(result.correct)
        count += batch.count
    model.train()
    return Evaluation(loss / count, correct / count)
