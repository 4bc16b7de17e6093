"""Data of a causal language model: rows to token ids, and which of them count in the loss."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from anneal_trainer.data.encode import TextEncoder
from anneal_trainer.data.encoded_rows import (
    EncodedRow,
    EncodedText,
    causal_rows,
    template_error,
)
from anneal_trainer.data.ends import End, EndCounter, last_token
from anneal_trainer.data.example import Answer, Dataset, Example, Examples
from anneal_trainer.data.rules import rule_error
from anneal_trainer.data.token_cache import TokenCache
from anneal_trainer.data.token_rows import TokenRow, read_token_rows
from anneal_trainer.errors import ConfigError

TEXT_SAMPLE_PROMPT = 16
"""Tokens of a plain text that the model is prompted with for samples."""


def read_causal_dataset(
    path: Path,
    encoder: TextEncoder,
    max_length: int,
    cache: TokenCache | None = None,
    *,
    mask_inputs: bool,
    unpair: bool = False,
    pack: bool = False,
) -> Dataset:
    """Build causal-lm examples of at most `max_length` tokens from JSONL or parquet.

    With `mask_inputs`, prompts and every turn but the assistant's do not count in the loss; those
    of answers that are compared never do. With `unpair`, the answers of a preference pair are two
    rows with labels. With `pack`, texts are joined and cut into sequences of `max_length` tokens.
    Raises DataError if a row has nothing left to learn from, or nothing to mask, and ConfigError if
    other rows than texts are to be packed.
    """
    builder = _CausalBuilder(path, encoder, max_length, mask_inputs=mask_inputs)
    rows = (
        read_token_rows(path, encoder.vocabulary)
        if path.suffix == ".parquet"
        else causal_rows(path, encoder, cache)
    )
    if pack:
        examples = Examples(builder.pack(rows))
    else:
        examples = Examples(example for row in rows for example in builder.build(row, unpair))
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

    def build(self, row: EncodedRow | TokenRow, unpair: bool) -> list[Example]:
        """Return a row as examples: one, or of a pair that is unpaired two."""
        self._rows += 1
        if isinstance(row, TokenRow):
            self.tokens += len(row.ids)
            last = last_token(row.ids, len(row.ids), self._encoder.is_blank)
            example = self._example(row.line, Answer(row.ids, row.counts), row.counts)
            self.ends.add(example, [End(last)])
            return [example]
        self.tokens += row.tokens
        (answer, answered), *others = [self._count(row, text) for text in row.texts]
        if others:
            example = self._build_pair(row.line, answer, others[0][0], answered)
        else:
            example = self._example(row.line, answer, answered, row.desirable)
        self.ends.add(example, row.texts[0].ends)
        return _unpaired(example) if unpair else [example]

    def pack(self, rows: Iterable[EncodedRow | TokenRow]) -> Iterator[Example]:
        """Join texts, and cut them into full sequences; the last one may be shorter."""
        waiting: list[int] = []
        line = 1
        for row in rows:
            if isinstance(row, TokenRow) or any(text.answers is not None for text in row.texts):
                raise ConfigError(
                    f"pack_documents is true, but {self._path.name} has other rows than texts.",
                    "Leave pack_documents out, or give rows of the format text.",
                )
            (text,) = row.texts
            self._rows += 1
            self.tokens += row.tokens
            self.ends.add(_sequence(row.line, text.ids), text.ends)
            line = line if waiting else row.line
            waiting += text.ids
            whole = len(waiting) - len(waiting) % self._max_length
            for start in range(0, whole, self._max_length):
                yield _sequence(line, waiting[start : start + self._max_length])
                line = row.line
            del waiting[:whole]
        # The first token of a sequence is given, so one alone teaches nothing.
        if len(waiting) > 1:
            yield _sequence(line, waiting)

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

    def _example(
        self, line: int, answer: Answer, answered: list[bool], desirable: bool | None = None
    ) -> Example:
        kept = self._cut(line, answer)
        self.truncated += len(kept.ids) < len(answer.ids)
        prompt = _prompt_length(answered)
        return Example(line, kept.ids, kept.counts, prompt, -1, "", desirable=desirable)

    def _count(self, row: EncodedRow, text: EncodedText) -> tuple[Answer, list[bool]]:
        """Return token ids with those that count in the loss, and those that are answers."""
        ids, answers = text.ids, text.answers
        masked = self._mask_inputs or row.fixed
        if masked and text.unlocated is not None:
            raise template_error(self._path, row.line, text.unlocated)
        self._hidden += masked and text.hidden > 0
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


def _sequence(line: int, ids: list[int]) -> Example:
    """Make an example of which everything is learned."""
    everything = [True] * len(ids)
    return Example(line, ids, everything, _prompt_length(everything), -1, "")


def _unpaired(example: Example) -> list[Example]:
    """Split a pair into an answer that is desirable and one that is not."""
    worse = example.rejected
    if worse is None:
        return [example]
    return [
        replace(example, rejected=None, desirable=True),
        replace(example, ids=worse.ids, counts=worse.counts, rejected=None, desirable=False),
    ]


def _prompt_length(answered: list[bool]) -> int:
    """Return the number of tokens that the model is given for a sample."""
    first = answered.index(True) if True in answered else 0
    return first or min(TEXT_SAMPLE_PROMPT, len(answered) // 2)
