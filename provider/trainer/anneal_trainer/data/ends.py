"""The tokens that answers end with: what is learned to stop at.

Only answers after which the model has to stop are looked at: the last one of a row, and calls of
tools. Before other messages a template may write something else: gpt-oss's ends the last answer
with <|return|>, a call with <|call|>, but an earlier answer with <|end|>, as it ends a thought.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass

from anneal_trainer.data.example import Example

SHARE = 10
"""A token ends answers if it is at the end of one in this many: texts that were cut into rows may
end with any token."""


@dataclass(frozen=True)
class End:
    """The end of an answer after which the model has to stop."""

    place: int
    """Number of its last token that is not white space, from 0 in the row."""
    calls: bool = False
    """Whether the answer calls tools, which may have an end of its own."""


def last_token(ids: Sequence[int], length: int, is_blank: Callable[[int], bool]) -> int:
    """Return the number of the last of the first `length` tokens that is not white space."""
    place = length - 1
    while place > 0 and is_blank(ids[place]):
        place -= 1
    return place


class EndCounter:
    """Counts the special tokens that answers end with, separately for calls of tools."""

    def __init__(self, special: Container[int]) -> None:
        self._special = special
        self._counts: dict[bool, Counter[int | None]] = {False: Counter(), True: Counter()}

    def add(self, example: Example, ends: Iterable[End]) -> None:
        """Count the ends of a row that are learned: not cut off, and counting in the loss."""
        for end in ends:
            if end.place < len(example.ids) and example.counts[end.place]:
                id_ = example.ids[end.place]
                self._counts[end.calls][id_ if id_ in self._special else None] += 1

    @property
    def answers(self) -> int:
        """The number of ends."""
        return sum(counts.total() for counts in self._counts.values())

    @property
    def unmarked(self) -> int:
        """The number of ends without a special token."""
        return sum(counts[None] for counts in self._counts.values())

    @property
    def ids(self) -> tuple[int, ...]:
        """The tokens, the most frequent first, those of calls after the others."""
        found = [
            id_
            for counts in self._counts.values()
            for id_, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0] or 0))
            if id_ is not None and count * SHARE >= counts.total()
        ]
        return tuple(dict.fromkeys(found))
