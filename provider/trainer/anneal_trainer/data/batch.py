"""Batches: rows as tensors, padded or packed, with their targets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from anneal_trainer.data.example import Answer, Example
from anneal_trainer.data.images import pixel_values
from anneal_trainer.data.preference import Preference
from anneal_trainer.model.packing import Documents

IGNORED = -100
"""Target of a position that does not count in the loss."""


@dataclass(frozen=True)
class Batch:
    """Rows padded to the longest of them, or packed into one sequence."""

    ids: Tensor
    """Token ids, int64, (rows, tokens); packed (1, tokens)."""
    mask: Tensor | None
    """1 for tokens, 0 for padding, int64, (rows, tokens); packed None."""
    targets: Tensor
    """Causal LM: the token to predict or IGNORED, int64, (rows, positions); packed without any
    IGNORED, (positions,). Classification: the class, int64, (rows,)."""
    columns: Tensor
    """Causal LM: positions whose prediction counts in some row, int64, (positions,)."""
    count: int
    """Targets that count: label tokens, or rows."""
    tokens: int
    """Tokens without padding."""
    documents: Documents | None = None
    """Boundaries of the rows in a packed sequence, None if they are padded."""
    comparison: "Comparison | None" = None
    """How the answers in the rows are compared; None if rows are learned as they are."""
    pixels: Tensor | None = None
    """Images, float32, (rows, 3, height, width); `ids` is then only a placeholder, (rows, 1)."""


@dataclass(frozen=True)
class Comparison:
    """The answers of a batch: of pairs all better ones, then all worse ones in the same order."""

    preference: Preference
    """The method that compares them."""
    rows: Tensor
    """The row that each target is in, int64, (targets,), row after row."""
    answered: Tensor
    """Whether each target is part of an answer, or else of a prompt, bool, (targets,)."""
    references: Tensor
    """Log-probability of each answer before the training, in nats, float32, (rows,)."""
    desirable: Tensor | None = None
    """Answers with a label: whether each is to become more likely, bool, (rows,)."""
    mismatched: Batch | None = None
    """Answers with a label: the prompts with the answers of other rows."""


Collate = Callable[[Sequence[Example]], Batch]
"""Makes a batch from rows."""


def make_batch(
    examples: Sequence[Example],
    pad_id: int,
    device: torch.device,
    preference: Preference | None = None,
) -> Batch:
    """Pad examples at the end; padding is neither attended to nor predicted."""
    if examples[0].picture is not None:
        return _make_image_batch(examples, device)
    if preference is not None:
        collate = partial(_make_padded_batch, pad_id=pad_id, device=device)
        return _make_preference_batch(examples, preference, collate)
    return _make_padded_batch(examples, pad_id, device)


def _make_padded_batch(
    examples: Sequence[Example | Answer], pad_id: int, device: torch.device
) -> Batch:
    ids, mask, targets = _pad(examples, pad_id)
    tokens = int(mask.sum())
    classes = _classes(examples)
    if len(classes):
        return Batch(
            ids.to(device),
            mask.to(device),
            classes.to(device),
            classes[:0],
            len(examples),
            tokens,
        )
    columns = (targets != IGNORED).any(dim=0).nonzero().flatten()
    targets = targets[:, columns]
    count = int((targets != IGNORED).sum())
    return Batch(
        ids.to(device), mask.to(device), targets.to(device), columns.to(device), count, tokens
    )


def _make_image_batch(examples: Sequence[Example], device: torch.device) -> Batch:
    pictures = [example.picture for example in examples if example.picture is not None]
    pixels, classes = torch.from_numpy(pixel_values(pictures)), _classes(examples)
    rows = len(examples)
    return Batch(
        torch.zeros((rows, 1), dtype=torch.long, device=device),
        None,
        classes.to(device),
        classes[:0],
        rows,
        rows,
        pixels=pixels.to(device),
    )


def _classes(examples: Sequence[Example | Answer]) -> Tensor:
    """Classes of rows, int64, (rows,); of a causal LM none, (0,)."""
    found = [row.label for row in examples if isinstance(row, Example) and row.label >= 0]
    return torch.tensor(found, dtype=torch.long)


def _pad(rows: Sequence[Example | Answer], pad_id: int) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids, mask and targets of rows, int64, (rows, tokens of the longest)."""
    width = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), width), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    targets = torch.full((len(rows), width), IGNORED, dtype=torch.long)
    for place, row in enumerate(rows):
        length = len(row.ids)
        ids[place, :length] = torch.tensor(row.ids)
        mask[place, :length] = 1
        if row.counts:
            targets[place, :length] = _targets(row)
    return ids, mask, targets


def make_packed_batch(
    examples: Sequence[Example], device: torch.device, preference: Preference | None = None
) -> Batch:
    """Concatenate the rows of a causal LM, for a model that `try_packing` accepted."""
    if preference is not None:
        collate = partial(_pack, device=device)
        return _make_preference_batch(examples, preference, collate)
    return _pack(examples, device)


def _pack(examples: Sequence[Example | Answer], device: torch.device) -> Batch:
    ids = torch.cat([torch.tensor(example.ids) for example in examples])
    targets = torch.cat([_targets(example) for example in examples])
    columns = (targets != IGNORED).nonzero().flatten()
    documents = Documents.of([len(example.ids) for example in examples], device)
    return Batch(
        ids.unsqueeze(0).to(device),
        None,
        targets[columns].to(device),
        columns.to(device),
        len(columns),
        len(ids),
        documents,
    )


def _make_preference_batch(
    examples: Sequence[Example],
    preference: Preference,
    collate: Callable[[Sequence[Example | Answer]], Batch],
) -> Batch:
    """Make a batch of answers that are compared; it counts pairs, or answers with a label."""
    worse = [example.rejected for example in examples if example.rejected is not None]
    desirable = [example.desirable for example in examples if example.desirable is not None]
    mismatched = [example.mismatched for example in examples if example.mismatched is not None]
    own, others = zip(*(example.references for example in examples), strict=True)
    references = own + others if worse else own
    batch, comparison = _compare([*examples, *worse], references, preference, collate)
    if desirable:
        comparison = replace(comparison, desirable=torch.tensor(desirable).to(batch.ids.device))
    if mismatched:
        other, compared = _compare(mismatched, others, preference, collate)
        comparison = replace(comparison, mismatched=replace(other, comparison=compared))
    return replace(batch, count=len(examples), comparison=comparison)


def _compare(
    rows: Sequence[Example | Answer],
    references: Sequence[float],
    preference: Preference,
    collate: Callable[[Sequence[Example | Answer]], Batch],
) -> tuple[Batch, Comparison]:
    """Make a batch of rows, and say which of its targets belong to which answer."""
    better = len(rows) // 2 if preference.learns_prompts else 0
    whole = [[True] * len(row.ids) for row in rows[:better]]
    learned = whole + [row.counts for row in rows[better:]]
    batch = collate([Answer(row.ids, counts) for row, counts in zip(rows, learned, strict=True)])
    answered = [
        torch.tensor(row.counts[1:])[torch.tensor(counts[1:])]
        for row, counts in zip(rows, learned, strict=True)
    ]
    lengths = torch.tensor([len(part) for part in answered])
    device = batch.ids.device
    return batch, Comparison(
        preference,
        torch.arange(len(rows)).repeat_interleave(lengths).to(device),
        torch.cat(answered).to(device),
        torch.tensor(references, dtype=torch.float32).to(device),
    )


def _targets(example: Example | Answer) -> Tensor:
    """Make the targets of a row: at each position the next token, or IGNORED; int64, (tokens,)."""
    counts = torch.tensor([*example.counts[1:], False])
    return torch.tensor([*example.ids[1:], IGNORED]).masked_fill(~counts, IGNORED)
