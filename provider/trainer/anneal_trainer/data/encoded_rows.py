"""Rows of text as token ids, from the file or from what counting kept of it."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pyarrow

from anneal_trainer.data.chat import ConversationReader, Turn
from anneal_trainer.data.encode import TextEncoder, Tokens
from anneal_trainer.data.ends import End, last_token
from anneal_trainer.data.label_rows import LabelRow
from anneal_trainer.data.rows import (
    AnswerRow,
    CausalRow,
    ChatRow,
    PairRow,
    PromptRow,
    TextRow,
    UnpairedRow,
    read_causal_rows,
)
from anneal_trainer.data.rules import rule_error
from anneal_trainer.data.token_cache import Record, TokenCache
from anneal_trainer.errors import DataError


@dataclass(frozen=True)
class EncodedText:
    """The tokens of a text, and which of them are answers."""

    ids: list[int]
    """Token ids before truncation."""
    answers: list[bool] | None
    """Whether each token is part of an answer; None if the row has no prompt."""
    ends: tuple[End, ...]
    """The ends of the answers after which the model has to stop."""
    hidden: int = 0
    """Answers that are not learned, because the chat template rewrites them."""
    unlocated: str | None = None
    """Why no answer can be located."""


@dataclass(frozen=True)
class EncodedRow:
    """The tokens of a row."""

    line: int
    """First line of the row in its file, from 1."""
    fixed: bool
    """Whether the row itself says what is learned: by weights, or because answers are compared."""
    texts: tuple[EncodedText, ...]
    """One text, or the better and the worse answer with their prompts."""
    desirable: bool | None = None
    """Of an answer with a label, whether it is to become more likely."""

    @property
    def tokens(self) -> int:
        """Tokens before truncation; of a pair, both answers with their prompts."""
        return sum(len(text.ids) for text in self.texts)


class RowReader:
    """Reads rows for one model."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder

    def read(self, row: CausalRow) -> list[EncodedText]:
        """Return the tokens of a row: one text, or those of the better and the worse answer.

        Raises ValueError if the chat template refuses the messages, and ConfigError if the model
        has none, or no token that ends a text.
        """
        if isinstance(row, PairRow):
            return [self._answer(row.chosen), self._answer(row.rejected)]
        if isinstance(row, TextRow):
            ids = self._wrap(row.text, self._encoder.encode(row.text).ids)
            return [EncodedText(ids, None, (End(len(ids) - 1),))]
        return [self._answer(row.answer if isinstance(row, UnpairedRow) else row)]

    def _answer(self, row: AnswerRow) -> EncodedText:
        return self._prompt(row) if isinstance(row, PromptRow) else self._chat(row)

    def _prompt(self, row: PromptRow) -> EncodedText:
        """Encode prompt and completion together, unless the prompt has other tokens alone.

        The model is given the prompt alone, so its tokens have to be those.
        """
        encode = self._encoder.encode
        prompt, ids = encode(row.prompt).ids, encode(row.prompt + row.completion).ids
        if ids[: len(prompt)] != prompt or len(ids) == len(prompt):
            ids = prompt + encode(row.completion).ids
        wrapped = self._wrap(row.prompt, ids)
        given = len(wrapped) - 1 - len(ids) + len(prompt)
        answers = [place >= given for place in range(len(wrapped))]
        return EncodedText(wrapped, answers, (End(len(wrapped) - 1),))

    def _wrap(self, text: str, ids: list[int]) -> list[int]:
        """Put the special tokens around a text: those of inference before it, the end after it."""
        spelt = self._encoder.token_text
        leading = [id_ for id_ in self._encoder.leading_ids if not text.startswith(spelt(id_))]
        return [*leading, *ids, self._encoder.eos_id]

    def _chat(self, row: ChatRow) -> EncodedText:
        found = self._conversations.read(row.messages, row.tools, row.given)
        tokens = self._encoder.encode(found.text, found.cuts)
        answers = _answers(tokens, found.turns)
        ends = self._ends(row, tokens, found.turns)
        return EncodedText(tokens.ids, answers, ends, found.hidden, found.unlocated)

    def _ends(self, row: ChatRow, tokens: Tokens, turns: Sequence[Turn]) -> tuple[End, ...]:
        """Return the ends of the last answer, if it ends the row, and of calls."""
        starts = [start for start, _ in tokens.spans]
        ends = []
        for turn in turns:
            calls = bool(row.messages[turn.number].tool_calls)
            if calls or turn.number == len(row.messages) - 1:
                length = bisect_left(starts, turn.end)
                ends.append(End(last_token(tokens.ids, length, self._encoder.is_blank), calls))
        return tuple(ends)

    @cached_property
    def _conversations(self) -> ConversationReader:
        encoder = self._encoder
        return ConversationReader(encoder.template, encoder.end_token, encoder.control_tokens)


def _answers(tokens: Tokens, turns: Sequence[Turn]) -> list[bool]:
    """Return whether each token has part of a turn: the model has to predict it."""
    answers = []
    place = 0
    for start, end in tokens.spans:
        while place < len(turns) and turns[place].end <= start:
            place += 1
        answers.append(place < len(turns) and turns[place].begin < end and start < end)
    return answers


CAUSAL = pyarrow.schema(
    [
        ("line", pyarrow.int64()),
        ("fixed", pyarrow.bool_()),
        ("desirable", pyarrow.bool_()),
        ("ids", pyarrow.list_(pyarrow.int32())),
        ("answers", pyarrow.list_(pyarrow.bool_())),
        ("ends", pyarrow.list_(pyarrow.int32())),
        ("calls", pyarrow.list_(pyarrow.bool_())),
        ("hidden", pyarrow.int32()),
        ("unlocated", pyarrow.string()),
    ]
)
"""A record in a cache is one text: a row, or one of the answers of a pair, with its line."""

LABELS = pyarrow.schema([("ids", pyarrow.list_(pyarrow.int32())), ("ending", pyarrow.int32())])
"""A record is the tokens of a row, and how many special tokens are at their end."""


def encode_causal_rows(
    path: Path, encoder: TextEncoder, cache: TokenCache | None = None
) -> Iterator[EncodedRow]:
    """Encode the rows of a JSONL file, and keep them in the cache. Raises DataError."""
    rows = _encode_causal_rows(path, encoder)
    if cache is None:
        return rows
    return _rows(cache.keep(CAUSAL, (record for row in rows for record in _records(row))))


def causal_rows(
    path: Path, encoder: TextEncoder, cache: TokenCache | None = None
) -> Iterator[EncodedRow]:
    """Return the rows of a JSONL file from the cache, or encode them. Raises DataError."""
    kept = cache.read(CAUSAL) if cache else None
    return encode_causal_rows(path, encoder) if kept is None else _rows(kept)


def encode_label_rows(
    rows: Iterable[LabelRow], encoder: TextEncoder, cache: TokenCache | None = None
) -> Iterator[tuple[list[int], int]]:
    """Encode texts with labels, and keep the token ids in the cache."""
    encoded = (encoder.encode_special(row.text) for row in rows)
    return encoded if cache is None else cache.keep(LABELS, encoded)


def label_tokens(
    rows: Iterable[LabelRow], encoder: TextEncoder, cache: TokenCache | None = None
) -> Iterator[tuple[list[int], int]]:
    """Return the tokens of texts with labels from the cache, or encode them."""
    kept = cache.read(LABELS) if cache else None
    return encode_label_rows(rows, encoder) if kept is None else kept


def template_error(path: Path, line: int, reason: object) -> DataError:
    """Return the error about a row that a chat template refuses."""
    message = f"The chat template refuses the messages ({reason})."
    return rule_error(path, line, "template-refuses", message)


def _encode_causal_rows(path: Path, encoder: TextEncoder) -> Iterator[EncodedRow]:
    reader = RowReader(encoder)
    for row in read_causal_rows(path):
        fixed = isinstance(row, PairRow | UnpairedRow) or (
            isinstance(row, ChatRow) and row.weighted
        )
        desirable = row.desirable if isinstance(row, UnpairedRow) else None
        try:
            yield EncodedRow(row.line, fixed, tuple(reader.read(row)), desirable)
        except ValueError as error:
            raise template_error(path, row.line, error) from None


def _records(row: EncodedRow) -> Iterator[Record]:
    for text in row.texts:
        ends = [end.place for end in text.ends], [end.calls for end in text.ends]
        facts = row.line, row.fixed, row.desirable
        yield *facts, text.ids, text.answers, *ends, text.hidden, text.unlocated


def _rows(records: Iterable[Record]) -> Iterator[EncodedRow]:
    for (line, fixed, desirable), texts in groupby(records, itemgetter(0, 1, 2)):
        yield EncodedRow(line, fixed, tuple(_text(*text[3:]) for text in texts), desirable)


def _text(
    ids: list[int],
    answers: list[bool] | None,
    places: list[int],
    calls: list[bool],
    hidden: int,
    unlocated: str | None,
) -> EncodedText:
    ends = tuple(End(place, called) for place, called in zip(places, calls, strict=True))
    return EncodedText(ids, answers, ends, hidden, unlocated)
