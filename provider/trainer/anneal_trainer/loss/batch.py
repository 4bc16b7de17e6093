"""Batches of examples, and the loss of a model on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from anneal_trainer.data.example import Answer, Example
from anneal_trainer.data.images import pixel_values
from anneal_trainer.loss.label import label_loss
from anneal_trainer.loss.preference import answer_log_probabilities, preference_loss
from anneal_trainer.model.matrix_format import plain_format
from anneal_trainer.model.packing import Documents, packed_states, vocabulary_head

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
    """Where the rows lie in a packed sequence, None where they are padded."""
    leads: Tensor | None = None
    """Preference pairs: by how many nats each better answer led before the training, float32,
    (pairs,); the rows are all better answers, then all worse ones. None for other rows."""
    pixels: Tensor | None = None
    """Images, float32, (rows, 3, height, width); `ids` is then only a placeholder, (rows, 1)."""
    matrix_format: torch.dtype = torch.float32
    """How matrices are multiplied: float32, or bfloat16 with sums in float32."""


Collate = Callable[[Sequence[Example]], Batch]
"""How rows become a batch."""


@dataclass(frozen=True)
class Score:
    """How well a model predicts a batch."""

    loss: Tensor
    """Sum of the cross-entropies in nats over the targets that count, scalar; of preference pairs
    the sum of their losses."""
    correct: Tensor
    """Targets that were the likeliest prediction, int64, scalar; pairs whose better answer has
    gained."""


def make_batch(examples: Sequence[Example], pad_id: int, device: torch.device) -> Batch:
    """Pad examples at their end; padding is neither attended to nor predicted."""
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
            matrix_format=plain_format(device),
        )
    columns = (targets != IGNORED).any(dim=0).nonzero().flatten()
    targets = targets[:, columns]
    leads = torch.tensor([example.lead for example in examples]).to(device) if rejected else None
    count = len(rejected) or int((targets != IGNORED).sum())
    return Batch(
        ids.to(device),
        mask.to(device),
        targets.to(device),
        columns.to(device),
        count,
        tokens,
        leads=leads,
        matrix_format=plain_format(device),
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
        matrix_format=plain_format(device),
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


def make_packed_batch(
    examples: Sequence[Example],
    device: torch.device,
    matrix_format: torch.dtype = torch.float32,
) -> Batch:
    """Put the rows of a causal LM one behind the other, for a model that `try_packing` allowed."""
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
        matrix_format=matrix_format,
    )


def _targets(example: Example | Answer) -> Tensor:
    """Make the targets of a row: at each place the next token, or IGNORED; int64, (tokens,)."""
    counts = torch.tensor([*example.counts[1:], False])
    return torch.tensor([*example.ids[1:], IGNORED]).masked_fill(~counts, IGNORED)


def score(model: nn.Module, batch: Batch) -> Score:
    """Run the model forward on a batch.

    A causal LM computes logits only where there is a target: prompts cost no vocabulary-wide
    products. In a padded batch that is any position with a target in some row.
    """
    if batch.leads is not None:
        return Score(*preference_loss(log_probabilities(model, batch), batch.leads))
    with _multiplying(batch):
        if batch.documents is not None:
            return _score_packed(model, batch, batch.documents)
        logits = predict(model, batch)
    flat, targets = logits.float().flatten(0, -2), batch.targets.flatten()
    loss = functional.cross_entropy(flat, targets, ignore_index=IGNORED, reduction="sum")
    return Score(loss, (flat.detach().argmax(-1) == targets).sum())


def log_probabilities(model: nn.Module, batch: Batch) -> Tensor:
    """How likely the model finds each answer of a batch of pairs, in nats, (rows,)."""
    with _multiplying(batch):
        logits = predict(model, batch)
    return answer_log_probabilities(logits, batch.targets, IGNORED)


def predict(model: nn.Module, batch: Batch) -> Tensor:
    """Logits of a batch that is not packed: (rows, columns, words), or (rows, classes)."""
    if batch.pixels is not None:
        output = model(pixel_values=batch.pixels)
    else:
        keep = batch.columns
        options = {"logits_to_keep": keep, "use_cache": False} if len(keep) else {}
        output = model(input_ids=batch.ids, attention_mask=batch.mask, **options)
    logits: Tensor = output.logits
    return logits


def _multiplying(batch: Batch) -> torch.autocast:
    narrow = batch.matrix_format is not torch.float32
    return torch.autocast(batch.ids.device.type, batch.matrix_format, enabled=narrow)


def _score_packed(model: nn.Module, batch: Batch, documents: Documents) -> Score:
    states = packed_states(model, batch.ids, documents)[batch.columns]
    head = vocabulary_head(model)
    return Score(*label_loss(states, batch.targets, head.weight, head.bias))


@dataclass(frozen=True)
class Evaluation:
    """Means over a set of examples."""

    loss: float
    """Mean cross-entropy in nats per target that counts."""
    accuracy: float
    """Share of targets that were the likeliest prediction."""


@torch.no_grad()
def evaluate(
    model: nn.Module, examples: Sequence[Example], batch_size: int, collate: Collate
) -> Evaluation:
    """Score examples, rows of similar length together; leaves the model in training mode."""
    model.eval()
    ordered = sorted(examples, key=lambda example: example.size)
    loss, correct, count = 0.0, 0, 0
    for start in range(0, len(ordered), batch_size):
        batch = collate(ordered[start : start + batch_size])
        result = score(model, batch)
        loss += result.loss.item()
        correct += int(result.correct)
        count += batch.count
    model.train()
    return Evaluation(loss / count, correct / count)
