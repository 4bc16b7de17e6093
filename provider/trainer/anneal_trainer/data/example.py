"""Rows as the model sees them."""

from dataclasses import dataclass
from pathlib import Path

from anneal_trainer.data.images import Picture


@dataclass(frozen=True)
class Answer:
    """A prompt with an answer, as the model sees it."""

    ids: list[int]
    """Token ids after truncation."""
    counts: list[bool]
    """Whether each token belongs to the answer."""


@dataclass(frozen=True)
class Example:
    """One row as the model sees it."""

    line: int
    """First line of the row in its file, or its number in an archive or a table, from 1."""
    ids: list[int]
    """Token ids after truncation. Images: empty."""
    counts: list[bool]
    """Causal LM: whether each token counts in the loss. Classification: empty."""
    prompt_length: int
    """Causal LM: leading tokens that are given to the model when it is sampled."""
    label: int
    """Classification: index into the label set. Causal LM: -1."""
    text: str
    """Classification: the text, or the path of the image. Causal LM: empty."""
    rejected: Answer | None = None
    """Preference pairs: the worse answer; `ids` and `counts` are those of the better one."""
    reference_margin: float = 0.0
    """Preference pairs: log-probability of the better answer minus that of the worse one before the
    training, in nats."""
    picture: Picture | None = None
    """Image classification: the image."""

    @property
    def size(self) -> int:
        """Size of the row in a batch: tokens, of both answers of a pair; 1 for an image."""
        if self.picture is not None:
            return 1
        return len(self.ids) + (len(self.rejected.ids) if self.rejected else 0)


@dataclass(frozen=True)
class Dataset:
    """A dataset file as examples, with the figures for billing and reports."""

    path: Path
    """The file."""
    examples: list[Example]
    """One per row, in the order of the file."""
    tokens: int
    """Tokens of all rows before truncation, or images: the units of a price per token."""
    truncated: int = 0
    """Rows that were longer than the maximum and lost their end."""
    warnings: tuple[str, ...] = ()
    """Warnings about the rows for the user, one sentence each."""
    end_ids: tuple[int, ...] = ()
    """The special tokens that are learned as the end of an answer, the most frequent first."""

    @property
    def bytes(self) -> int:
        """Size of the file: the units of a price per byte."""
        return self.path.stat().st_size

    @property
    def learned(self) -> int:
        """Tokens that count in the loss after truncation; for classification, rows."""
        answers = [answer for row in self.examples for answer in (row, row.rejected) if answer]
        return sum(sum(answer.counts[1:]) if answer.counts else 1 for answer in answers)

    @property
    def figures(self) -> dict[str, int]:
        """Sizes for the journal of the job."""
        return {
            "rows": len(self.examples),
            "tokens": self.tokens,
            "bytes": self.bytes,
            "kept": sum(example.size for example in self.examples),
            "learned": self.learned,
            "truncated": self.truncated,
        }
