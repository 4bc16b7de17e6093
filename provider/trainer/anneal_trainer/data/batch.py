"""Batches: rows as tensors, padded or packed, with their targets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from anneal_trainer.data.example import Answer, Example
from anneal_trainer.data.images import pixel_values
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
    reference_margins: Tensor | None = None
    """Preference pairs: log-probability of the better answer minus that of the worse one before the
    training, in nats, float32, (pairs,); the rows are all better answers, then all worse ones.
    None for other rows."""
    pixels: Tensor | None = None
    """Images, float32, (rows, 3, height, width); `ids` is then only a placeholder, (rows, 1)."""


Collate = Callable[[Sequence[Example]], Batch]
"""Makes a batch from rows."""


def make_batch(examples: Sequence[Example], pad_id: int, device: torch.device) -> Batch:
    """Pad examples at the end; padding is neither attended to nor predicted."""
    if examples[0].picture is not None:
        return _make_image_batch(examples, device)
    rejected = [example.rejected for example in examples if example.rejected is not None]
    ids, mask, targets = _pad([*examples, *rejected], pad_id)
    tokens = int(mask.sum())
    if examples[0].label >= 0:
        classes = _classes(examples)
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
    margins = [example.reference_margin for example in examples] if rejected else None
    count = len(rejected) or int((targets != IGNORED).sum())
    return Batch(
        ids.to(device),
        mask.to(device),
        targets.to(device),
        columns.to(device),
        count,
        tokens,
        reference_margins=None if margins is None else torch.tensor(margins).to(device),
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


def _classes(examples: Sequence[Example]) -> Tensor:
    return torch.tensor([example.label for example in examples])


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


def make_packed_batch(examples: Sequence[Example], device: torch.device) -> Batch:
    """Concatenate the rows of a causal LM, for a model that `try_packing` accepted."""
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


def _targets(example: Example | Answer) -> Tensor:
    """Make the targets of a row: at each position the next token, or IGNORED; int64, (tokens,)."""
    counts = torch.tensor([*example.counts[1:], False])
    return torch.tensor([*example.ids[1:], IGNORED]).masked_fill(~counts, IGNORED)
