"""Data of a causal language model: rows to token ids, and which of them count in the loss."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from anneal_trainer.data.chat import ConversationReader, Turn
from anneal_trainer.data.encode import TextEncoder, Tokens
from anneal_trainer.data.ends import End, EndCounter, last_token
from anneal_trainer.data.example import Answer, Dataset, Example
from anneal_trainer.data.rows import (
    AnswerRow,
    CausalRow,
    ChatRow,
    PairRow,
    PromptRow,
    TextRow,
    read_causal_rows,
)
from anneal_trainer.data.rules import rule_error
from anneal_trainer.data.token_rows import TokenRow, read_token_rows
from anneal_trainer.errors import DataError

TEXT_SAMPLE_PROMPT = 16
"""Tokens of a plain text that the model is prompted with for samples."""


@dataclass(frozen=True)
class EncodedRow:
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


class RowReader:
    """Reads rows for one model."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder

    def read(self, row: CausalRow) -> list[EncodedRow]:
        """Return the tokens of a row: one text, or those of the better and the worse answer.

        Raises ValueError if the chat template refuses the messages, and ConfigError if the model
        has none, or no token that ends a text.
        """
        if isinstance(row, PairRow):
            return [self._answer(row.chosen), self._answer(row.rejected)]
        if isinstance(row, TextRow):
            ids = self._wrap(row.text, self._encoder.encode(row.text).ids)
            return [EncodedRow(ids, None, (End(len(ids) - 1),))]
        return [self._answer(row)]

    def _answer(self, row: AnswerRow) -> EncodedRow:
        return self._prompt(row) if isinstance(row, PromptRow) else self._chat(row)

    def _prompt(self, row: PromptRow) -> EncodedRow:
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
        return EncodedRow(wrapped, answers, (End(len(wrapped) - 1),))

    def _wrap(self, text: str, ids: list[int]) -> list[int]:
        """Put the special tokens around a text: those of inference before it, the end after it."""
        spelt = self._encoder.token_text
        leading = [id_ for id_ in self._encoder.leading_ids if not text.startswith(spelt(id_))]
        return [*leading, *ids, self._encoder.eos_id]

    def _chat(self, row: ChatRow) -> EncodedRow:
        found = self._conversations.read(row.messages, row.tools, row.given)
        tokens = self._encoder.encode(found.text, found.cuts)
        answers = _answers(tokens, found.turns)
        ends = self._ends(row, tokens, found.turns)
        return EncodedRow(tokens.ids, answers, ends, found.hidden, found.unlocated)

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


def count_tokens(reader: RowReader, row: CausalRow) -> int:
    """Count the tokens of one row before truncation; of a pair, both answers with their prompts.

    Raises ValueError if the chat template refuses the messages.
    """
    return sum(len(encoded.ids) for encoded in reader.read(row))


def template_error(path: Path, row: CausalRow, error: ValueError) -> DataError:
    """Return the error about a row that a chat template refuses."""
    message = f"The chat template refuses the messages ({error})."
    return rule_error(path, row.line, "template-refuses", message)


def read_causal_dataset(
    path: Path, encoder: TextEncoder, max_length: int, *, mask_inputs: bool
) -> Dataset:
    """Build causal-lm examples of at most `max_length` tokens from JSONL or parquet.

    With `mask_inputs`, prompts and every turn but the assistant's do not count in the loss; the
    prompt of a preference pair never does. Raises DataError if a row has nothing left to learn
    from, or nothing to mask.
    """
    builder = _CausalBuilder(path, encoder, max_length, mask_inputs=mask_inputs)
    rows = (
        read_token_rows(path, encoder.vocabulary)
        if path.suffix == ".parquet"
        else read_causal_rows(path)
    )
    examples = [builder.build(row) for row in rows]
    return Dataset(
        path, examples, builder.tokens, builder.truncated, builder.warnings, builder.ends.ids
    )


class _CausalBuilder:
    """Turns rows into examples and counts what was changed."""

    def __init__(
        self, path: Path, encoder: TextEncoder, max_length: int, *, mask_inputs: bool
    ) -> None:
        self._path = path
        self._encoder = encoder
        self._reader = RowReader(encoder)
        self._max_length = max_length
        self._mask_inputs = mask_inputs
        self._rows = 0
        self._hidden = 0
        self.tokens = 0
        self.truncated = 0
        self.ends = EndCounter(encoder.special_ids)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was changed in the rows, one sentence each."""
        name, rows = self._path.name, self._rows
        found = (
            (
                self.truncated,
                f"{name}: {self.truncated} of {rows} rows were cut to {self._max_length} tokens.",
            ),
            (
                self._hidden,
                f"{name}: in {self._hidden} of {rows} rows the chat template rewrites earlier "
                "answers, so only the last one is learned.",
            ),
            (
                self._is_endless,
                f"{name}: the chat template ends {self.ends.unmarked} of {self.ends.answers} "
                "answers with no special token, so the tuned model may not stop after an answer. "
                "Give the program that runs it a stop text, such as the start of the user's "
                "messages.",
            ),
        )
        return tuple(sentence for count, sentence in found if count)

    @property
    def _is_endless(self) -> bool:
        """Whether there are answers, but nothing to stop at; rows of tokens may be plain text."""
        return self._path.suffix != ".parquet" and not self.ends.ids and self.ends.answers > 0

    def build(self, row: CausalRow | TokenRow) -> Example:
        self._rows += 1
        if isinstance(row, TokenRow):
            self.tokens += len(row.ids)
            last = last_token(row.ids, len(row.ids), self._encoder.is_blank)
            example = self._example(row.line, Answer(row.ids, row.counts), row.counts)
            self.ends.add(example, [End(last)])
            return example
        try:
            encoded = self._reader.read(row)
            (answer, answered), *others = [self._count(row, each) for each in encoded]
        except ValueError as error:
            raise template_error(self._path, row, error) from None
        if others:
            example = self._build_pair(row.line, answer, others[0][0], answered)
        else:
            example = self._example(row.line, answer, answered)
        self.ends.add(example, encoded[0].ends)
        return example

    def _build_pair(
        self, line: int, better: Answer, worse: Answer, answered: list[bool]
    ) -> Example:
        chosen, rejected = self._cut(line, better), self._cut(line, worse)
        cut = len(chosen.ids) < len(better.ids) or len(rejected.ids) < len(worse.ids)
        self.truncated += cut
        if chosen.ids == rejected.ids:
            raise rule_error(
                self._path,
                line,
                "same-answers",
                f"The two answers are the same in the first {self._max_length} tokens of the row.",
            )
        prompt = _prompt_length(answered)
        return Example(line, chosen.ids, chosen.counts, prompt, -1, "", rejected)

    def _example(self, line: int, answer: Answer, answered: list[bool]) -> Example:
        kept = self._cut(line, answer)
        self.truncated += len(kept.ids) < len(answer.ids)
        return Example(line, kept.ids, kept.counts, _prompt_length(answered), -1, "")

    def _count(self, row: CausalRow, encoded: EncodedRow) -> tuple[Answer, list[bool]]:
        """Return token ids with those that count in the loss, and those that are answers."""
        ids, answers = encoded.ids, encoded.answers
        fixed = isinstance(row, PairRow) or (isinstance(row, ChatRow) and row.weighted)
        masked = self._mask_inputs or fixed
        if masked and encoded.unlocated is not None:
            raise ValueError(encoded.unlocated)
        self.tokens += len(ids)
        self._hidden += masked and encoded.hidden > 0
        everything = [True] * len(ids)
        if answers is None or not masked:
            return Answer(ids, everything), answers or everything
        if self._mask_inputs and all(answers):
            message = "The row has no prompt to mask."
            raise rule_error(self._path, row.line, "no-prompt", message)
        return Answer(ids, answers), answers

    def _cut(self, line: int, answer: Answer) -> Answer:
        # The first token is given, never predicted.
        if not any(answer.counts[1 : self._max_length]):
            message = f"The row has nothing to learn from in its first {self._max_length} tokens."
            raise rule_error(self._path, line, "nothing-learned", message)
        return Answer(answer.ids[: self._max_length], answer.counts[: self._max_length])


def _prompt_length(answered: list[bool]) -> int:
    """Return the number of tokens that the model is given for a sample."""
    first = answered.index(True) if True in answered else 0
    return first or min(TEXT_SAMPLE_PROMPT, len(answered) // 2)
