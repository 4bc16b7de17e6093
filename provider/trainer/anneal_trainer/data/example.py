"""Rows as the model sees them."""

from array import array
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import chain
from operator import sub
from pathlib import Path
from typing import overload

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
    desirable: bool | None = None
    """Answers with a label: whether the answer is to become more likely."""
    mismatched: Answer | None = None
    """Answers with a label: the prompt with the answer of another row."""
    references: tuple[float, float] = (0.0, 0.0)
    """Log-probabilities before the training, in nats: of the better and the worse answer of a pair,
    or of the answer with a label and of the mismatched one."""
    picture: Picture | None = None
    """Image classification: the image."""

    @property
    def size(self) -> int:
        """Size of the row in a batch: tokens, of both answers of a pair; 1 for an image."""
        if self.picture is not None:
            return 1
        return len(self.ids) + (len(self.rejected.ids) if self.rejected else 0)


class Examples(Sequence[Example]):
    """Rows in arrays, made into examples when they are asked for.

    As objects, a million rows of a hundred tokens would take 7 GB; here, half a gigabyte.
    """

    def __init__(self, examples: Iterable[Example] = ()) -> None:
        self._lines = array("q")
        self._ids = array("i")
        self._counts = bytearray()
        self._ends = array("q", [0])
        """For each text the number of tokens up to its end; pairs have two texts."""
        self._prompts = array("q")
        self._labels = array("q")
        self._texts: list[str] = []
        self._pictures: list[Picture | None] = []
        self._desirable: list[bool | None] = []
        self._partners: Sequence[int] | None = None
        """For each answer with a label the row whose answer is mismatched with its prompt."""
        self._max_length = 0
        self._references = array("d")
        """Two for each row."""
        self._has_pairs = False
        self.learned = 0
        """Tokens that count in the loss after truncation; for classification, rows."""
        for example in examples:
            self.append(example)

    def append(self, example: Example) -> None:
        """Add a row; all rows have the same kind."""
        self._lines.append(example.line)
        self._prompts.append(example.prompt_length)
        self._labels.append(example.label)
        self._texts.append(example.text)
        self._pictures.append(example.picture)
        self._desirable.append(example.desirable)
        self._references.extend(example.references)
        self._has_pairs = example.rejected is not None
        for answer in (example, example.rejected):
            if answer is not None:
                self._ids.extend(answer.ids)
                self._counts.extend(answer.counts)
                self._ends.append(len(self._ids))
                self.learned += sum(answer.counts[1:]) if answer.counts else 1

    @property
    def sizes(self) -> Sequence[int]:
        """Sizes of the rows in a batch, as in Example."""
        if self._pictures[0] is not None:
            return [1] * len(self)
        ends = self._ends[::2] if self._has_pairs else self._ends
        return array("q", map(sub, ends[1:], ends))

    @property
    def largest_id(self) -> int:
        """The largest token id; -1 without tokens."""
        return max(self._ids, default=-1)

    def with_references(self, references: Iterable[tuple[float, float]]) -> "Examples":
        """Return the same rows with other references."""
        changed = copy(self)
        changed._references = array("d", chain.from_iterable(references))
        return changed

    def with_partners(self, partners: Sequence[int], max_length: int) -> "Examples":
        """Return answers with labels, each prompt mismatched with the answer of its partner.

        `partners` are numbers of rows; a mismatched text has at most `max_length` tokens.
        """
        changed = copy(self)
        changed._partners, changed._max_length = partners, max_length
        return changed

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, place: int) -> Example: ...
    @overload
    def __getitem__(self, place: slice) -> list[Example]: ...
    def __getitem__(self, place: int | slice) -> Example | list[Example]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        number = range(len(self))[place]
        better = self._answer(2 * number if self._has_pairs else number)
        return Example(
            self._lines[number],
            better.ids,
            better.counts,
            self._prompts[number],
            self._labels[number],
            self._texts[number],
            self._answer(2 * number + 1) if self._has_pairs else None,
            self._desirable[number],
            self._mismatch(better, self._partners[number]) if self._partners else None,
            (self._references[2 * number], self._references[2 * number + 1]),
            self._pictures[number],
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Examples) and list(self) == list(other)

    def _answer(self, text: int) -> Answer:
        begin, end = self._ends[text], self._ends[text + 1]
        counts = [count == 1 for count in self._counts[begin:end]]
        return Answer(self._ids[begin:end].tolist(), counts)

    def _mismatch(self, own: Answer, partner: int) -> Answer:
        other = self._answer(partner)
        given, skipped = own.counts.index(True), other.counts.index(True)
        ids = own.ids[:given] + other.ids[skipped:]
        counts = [False] * given + other.counts[skipped:]
        return Answer(ids[: self._max_length], counts[: self._max_length])


@dataclass(frozen=True)
class Dataset:
    """A dataset file as examples, with the figures for billing and reports."""

    path: Path
    """The file."""
    examples: Examples
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
    def figures(self) -> dict[str, int]:
        """Sizes for the journal of the job."""
        return {
            "rows": len(self.examples),
            "tokens": self.tokens,
            "bytes": self.bytes,
            "kept": sum(self.examples.sizes),
            "learned": self.examples.learned,
            "truncated": self.truncated,
        }
