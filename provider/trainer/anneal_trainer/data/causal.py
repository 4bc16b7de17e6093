"""Data of a causal language model: rows to token ids, and which of them count in the loss."""

from pathlib import Path

from anneal_trainer.data.chat import read_conversation
from anneal_trainer.data.encode import TextEncoder
from anneal_trainer.data.example import Answer, Dataset, Example
from anneal_trainer.data.rows import (
    AnswerRow,
    CausalRow,
    ChatRow,
    PairRow,
    PromptRow,
    read_causal_rows,
)
from anneal_trainer.data.rules import rule_error
from anneal_trainer.data.token_rows import TokenRow, read_token_rows
from anneal_trainer.errors import DataError

TEXT_SAMPLE_PROMPT = 16
"""Tokens of a plain text that the model is prompted with for samples."""


def causal_tokens(encoder: TextEncoder, row: CausalRow) -> list[int]:
    """Token ids of one row before truncation; of a pair, both answers with their prompts."""
    if isinstance(row, PairRow):
        return causal_tokens(encoder, row.chosen) + causal_tokens(encoder, row.rejected)
    if isinstance(row, ChatRow):
        return encoder.encode(encoder.render(row.messages)).ids
    if isinstance(row, PromptRow):
        prompt, completion = encoder.encode(row.prompt).ids, encoder.encode(row.completion).ids
        return [*prompt, *completion, encoder.eos_id]
    return [*encoder.encode(row.text).ids, encoder.eos_id]


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
    return Dataset(path, examples, builder.tokens, builder.truncated, builder.warnings)


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
        self._altered = 0
        self.tokens = 0
        self.truncated = 0

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
                self._altered,
                f"{name}: in {self._altered} of {rows} rows the chat template changes or leaves "
                "out part of an answer, which is then not learned.",
            ),
        )
        return tuple(sentence for count, sentence in found if count)

    def build(self, row: CausalRow | TokenRow) -> Example:
        self._rows += 1
        if isinstance(row, PairRow):
            return self._build_pair(row)
        ids, counts, prompt_length = self._encode(row)
        kept = self._cut(row.line, ids, counts)
        self.truncated += len(kept.ids) < len(ids)
        return Example(row.line, kept.ids, kept.counts, prompt_length, -1, "")

    def _build_pair(self, row: PairRow) -> Example:
        better, worse = (self._encode(answer) for answer in (row.chosen, row.rejected))
        chosen, rejected = (self._cut(row.line, *found[:2]) for found in (better, worse))
        cut = (len(chosen.ids) < len(better[0])) or (len(rejected.ids) < len(worse[0]))
        self.truncated += cut
        if chosen.ids == rejected.ids:
            raise rule_error(
                self._path,
                row.line,
                "same-answers",
                f"The two answers are the same in the first {self._max_length} tokens of the row.",
            )
        return Example(row.line, chosen.ids, chosen.counts, better[2], -1, "", rejected)

    def _encode(self, row: CausalRow | TokenRow) -> tuple[list[int], list[bool], int]:
        """Token ids, whether each counts in the loss, and the length of the sampling prompt."""
        if isinstance(row, TokenRow):
            ids, counts = row.ids, row.counts
            prompt = counts.index(True) if True in counts else 0
            found = ids, counts, prompt or min(TEXT_SAMPLE_PROMPT, len(ids) // 2)
        elif isinstance(row, PromptRow):
            found = self._encode_prompt(row)
        elif isinstance(row, ChatRow):
            try:
                found = self._encode_chat(row)
            except ValueError as error:
                raise template_error(self._path, row, error) from None
        else:
            ids = causal_tokens(self._encoder, row)
            found = ids, [True] * len(ids), min(TEXT_SAMPLE_PROMPT, len(ids) // 2)
        self.tokens += len(found[0])
        return found

    def _encode_prompt(self, row: PromptRow) -> tuple[list[int], list[bool], int]:
        ids = causal_tokens(self._encoder, row)
        prompt = len(self._encoder.encode(row.prompt).ids)
        self._check_masked(row, prompt > 0)
        return ids, [not self._mask_inputs or place >= prompt for place in range(len(ids))], prompt

    def _encode_chat(self, row: ChatRow) -> tuple[list[int], list[bool], int]:
        found = read_conversation(self._encoder, row)
        self._hidden += found.hidden > 0
        self._altered += found.altered
        ids, counts = found.tokens.ids, found.counts
        if not (self._mask_inputs or row.given):
            return ids, [True] * len(ids), found.prompt_length
        self._check_masked(row, not all(counts))
        return ids, counts, found.prompt_length

    def _check_masked(self, row: AnswerRow, has_prompt: bool) -> None:
        if self._mask_inputs and not has_prompt:
            message = "The row has no prompt to mask."
            raise rule_error(self._path, row.line, "no-prompt", message)

    def _cut(self, line: int, ids: list[int], counts: list[bool]) -> Answer:
        # The first token is given, never predicted.
        if not any(counts[1 : self._max_length]):
            message = f"The row has nothing to learn from in its first {self._max_length} tokens."
            raise rule_error(self._path, line, "nothing-learned", message)
        return Answer(ids[: self._max_length], counts[: self._max_length])
