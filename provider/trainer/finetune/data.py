"""The data of a job: rows into token ids, and what counts in the loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune.encode import TextEncoder
from finetune.errors import DataError
from finetune.job import Job
from finetune.model_files import maximum_length, read_model_config
from finetune.rows import (
    CausalRow,
    ChatRow,
    LabelRow,
    PromptRow,
    TextRow,
    label_set,
    read_causal_rows,
    read_label_rows,
)

TEXT_SAMPLE_PROMPT = 16
"""Tokens of a plain text that are shown to the model when it is sampled."""


@dataclass(frozen=True)
class Example:
    """One row as the model sees it."""

    line: int
    """First line of the row in its file, from 1."""
    ids: list[int]
    """Token ids after truncation."""
    counts: list[bool]
    """Causal LM: whether each token counts in the loss. Classification: empty."""
    prompt_length: int
    """Causal LM: leading tokens that are given to the model when it is sampled."""
    label: int
    """Classification: index into the label set. Causal LM: -1."""
    text: str
    """Classification: the text. Causal LM: empty."""


@dataclass(frozen=True)
class Dataset:
    """A dataset file as examples, with the figures that bills and reports need."""

    path: Path
    """The file."""
    examples: list[Example]
    """One per row, in the order of the file."""
    tokens: int
    """Tokens of all rows before truncation: what a price per token is multiplied with."""
    truncated: int
    """Rows that were longer than the maximum and lost their end."""

    @property
    def bytes(self) -> int:
        """Size of the file: what a price per byte is multiplied with."""
        return self.path.stat().st_size


@dataclass(frozen=True)
class JobData:
    """Everything a job reads, checked and ready to be trained on."""

    encoder: TextEncoder
    """The base model's tokenizer."""
    max_length: int
    """Tokens kept of a row."""
    train: Dataset
    """What is learned."""
    validation: Dataset | None
    """What the result is measured on; None measures on training rows."""
    labels: list[str]
    """Classification: the classes in the order of their numbers. Causal LM: empty."""


def load_data(job: Job) -> JobData:
    """Read tokenizer and datasets of a job. Raises ConfigError or DataError."""
    config = read_model_config(job.model_directory)
    max_length = maximum_length(config, job.hyperparameters.max_seq_length)
    encoder = TextEncoder(job.model_directory)
    path = job.validation_path
    if job.kind == "text-classification":
        train, labels = read_label_dataset(job.train_path, encoder, max_length, None)
        validation = read_label_dataset(path, encoder, max_length, labels)[0] if path else None
        return JobData(encoder, max_length, train, validation, labels)
    mask = job.hyperparameters.train_on_inputs is not True
    train = read_causal_dataset(job.train_path, encoder, max_length, mask_inputs=mask)
    validation = read_causal_dataset(path, encoder, max_length, mask_inputs=mask) if path else None
    return JobData(encoder, max_length, train, validation, [])


def causal_tokens(encoder: TextEncoder, row: CausalRow) -> list[int]:
    """Token ids of one row before truncation."""
    if isinstance(row, ChatRow):
        return encoder.encode(encoder.render(row.messages)).ids
    if isinstance(row, TextRow):
        return [*encoder.encode(row.text).ids, encoder.eos_id]
    prompt, completion = encoder.encode(row.prompt).ids, encoder.encode(row.completion).ids
    return [*prompt, *completion, encoder.eos_id]


def template_error(path: Path, row: CausalRow, error: ValueError) -> DataError:
    """Say which row a chat template refuses."""
    return DataError(
        f"{path.name}:{row.line}: the chat template refuses the messages ({error}).",
        "Order the messages as the model's chat template asks.",
    )


def read_causal_dataset(
    path: Path, encoder: TextEncoder, max_length: int, *, mask_inputs: bool
) -> Dataset:
    """Build causal-lm examples of at most `max_length` tokens.

    With `mask_inputs`, prompts and every turn but the assistant's do not count in the loss.
    Raises DataError when a row has nothing left to learn from, or nothing to mask.
    """
    examples, tokens, truncated = [], 0, 0
    for row in read_causal_rows(path):
        try:
            ids, counts, prompt_length = _causal_example(encoder, row, mask_inputs=mask_inputs)
        except ValueError as error:
            raise template_error(path, row, error) from None
        masked = mask_inputs and not isinstance(row, TextRow)
        if masked and all(counts):
            raise DataError(
                f"{path.name}:{row.line}: the row has no prompt to mask.",
                "Put a user's message before the assistant's or set train_on_inputs to true.",
            )
        tokens += len(ids)
        truncated += len(ids) > max_length
        # The first token is given, never predicted.
        if not any(counts[1:max_length]):
            raise DataError(
                f"{path.name}:{row.line}: nothing is left to learn from in the first "
                f"{max_length} tokens of the row.",
                "Shorten the prompt or raise max_seq_length.",
            )
        examples.append(
            Example(row.line, ids[:max_length], counts[:max_length], prompt_length, -1, "")
        )
    return Dataset(path, examples, tokens, truncated)


def read_label_dataset(
    path: Path, encoder: TextEncoder, max_length: int, labels: Sequence[str] | None
) -> tuple[Dataset, list[str]]:
    """Build classification examples of at most `max_length` tokens, and return the label set.

    `labels` is the label set to use, None to take the file's own. A truncated row keeps the
    special tokens at its end.
    """
    rows: list[LabelRow] = read_label_rows(path)
    known = list(labels) if labels is not None else label_set(path, rows)
    index = {label: number for number, label in enumerate(known)}
    examples, tokens, truncated = [], 0, 0
    for row in rows:
        if row.label not in index:
            raise DataError(
                f"{path.name}:{row.line}: the label {row.label!r} is not in the training dataset.",
                f"Use one of {', '.join(known[:20])}.",
            )
        ids, ending = encoder.encode_special(row.text)
        tokens += len(ids)
        if len(ids) > max_length:
            truncated += 1
            ids = ids[: max_length - ending] + ids[len(ids) - ending :]
        examples.append(Example(row.line, ids, [], 0, index[row.label], row.text))
    return Dataset(path, examples, tokens, truncated), known


def _causal_example(
    encoder: TextEncoder, row: CausalRow, *, mask_inputs: bool
) -> tuple[list[int], list[bool], int]:
    """Token ids, whether each counts in the loss, and the length of the sampling prompt."""
    if isinstance(row, ChatRow):
        return _chat_example(encoder, row, mask_inputs=mask_inputs)
    ids = causal_tokens(encoder, row)
    if isinstance(row, PromptRow):
        prompt = len(encoder.encode(row.prompt).ids)
        return ids, [not mask_inputs or place >= prompt for place in range(len(ids))], prompt
    return ids, [True] * len(ids), min(TEXT_SAMPLE_PROMPT, len(ids) // 2)


def _chat_example(
    encoder: TextEncoder, row: ChatRow, *, mask_inputs: bool
) -> tuple[list[int], list[bool], int]:
    """Mark the tokens that touch an assistant's turn, its end marker included.

    A token that begins before the turn and reaches into it is what the model has to say first.
    """
    rendered = encoder.render(row.messages)
    tokens = encoder.encode(rendered)
    turns = _assistant_spans(encoder, row.messages, rendered)
    prompt_length = sum(end <= turns[0][0] for _, end in tokens.spans)
    if not mask_inputs:
        return tokens.ids, [True] * len(tokens.ids), prompt_length
    counts = [
        any(begin < end and start < until for begin, until in turns) for start, end in tokens.spans
    ]
    return tokens.ids, counts, prompt_length


def _assistant_spans(
    encoder: TextEncoder, messages: Sequence[dict[str, str]], rendered: str
) -> list[tuple[int, int]]:
    """Character ranges of the assistant's turns in the rendered conversation.

    A turn begins where it departs from a request to speak and ends with everything up to it. That
    only holds where the template renders turn by turn, so it is checked.
    """
    spans = []
    for number, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        asked = encoder.render(messages[:number], ask=True)
        until = encoder.render(messages[: number + 1])
        if not (rendered.startswith(until) and until.startswith(encoder.render(messages[:number]))):
            raise ValueError(
                f"it rewrites earlier turns, so the assistant's message {number + 1} "
                "cannot be told apart"
            )
        spans.append((_departure(asked, until), len(until)))
    return spans


def _departure(first: str, second: str) -> int:
    """Return the place of the first character in which two texts differ."""
    pairs = zip(first, second, strict=False)
    return next(
        (place for place, (one, other) in enumerate(pairs) if one != other),
        min(len(first), len(second)),
    )
