"""Rows of token ids from parquet: text that its owner has tokenized already.

The rules are the same as those of the client's dataset checker. A row is a row of the table,
counted from 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from anneal_trainer.data.rules import rule_error

IGNORED = -100
"""Label of a token that does not count in the loss."""
MAX_GROUP_IDS = 2**23
"""Maximum values of one column in a row group, which the client has in memory at once."""
MAX_EXPANSION = 100
"""Maximum values per byte of the file, beyond SMALL of them: runs of one value take no bytes."""
SMALL = 2**24
CODECS = frozenset({"UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD", "BROTLI"})
COLUMNS = ("input_ids", "attention_mask", "labels")
BATCH_ROWS = 256


@dataclass(frozen=True)
class TokenRow:
    """A row of token ids without its padding."""

    line: int
    """Number of the row, from 1."""
    ids: list[int]
    """Token ids, not empty."""
    counts: list[bool]
    """Whether each token counts in the loss."""


def read_token_rows(path: Path, vocabulary: int) -> Iterator[TokenRow]:
    """Read a parquet file of token ids below `vocabulary`. Raises DataError."""
    try:
        with parquet.ParquetFile(path) as file:
            columns = _check_file(path, file)
            line = 0
            for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                for record in batch.to_pylist():
                    line += 1
                    yield _token_row(path, line, record, vocabulary)
            if not line:
                raise rule_error(path, 1, "no-rows", "The dataset has no rows.")
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        message = f"The file cannot be read as parquet ({reason})."
        raise rule_error(path, 1, "damaged-parquet", message) from None


def _check_file(path: Path, file: Any) -> list[str]:  # noqa: ANN401
    """Check columns, their types and their storage; return the columns' names."""
    schema, metadata = file.schema_arrow, file.metadata
    names = list(schema.names)
    if "input_ids" not in names or len(set(names)) < len(names) or not set(names) <= {*COLUMNS}:
        found = ", ".join(sorted(names)) or "none"
        message = f"The columns fit no format (found: {found})."
        raise rule_error(path, 1, "bad-columns", message)
    for name in names:
        if not _is_integer_list(schema.field(name).type):
            raise rule_error(path, 1, "bad-columns", f"{name} is not a list of integers.")
    values = 0
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(column)
            if chunk.compression not in CODECS:
                message = f"The file has an unsupported compression ({chunk.compression})."
                raise rule_error(path, 1, "parquet-codec", message)
            if chunk.num_values > MAX_GROUP_IDS:
                message = f"A row group has more than {MAX_GROUP_IDS:,} values."
                raise rule_error(path, 1, "row-group-too-large", message)
            values += chunk.num_values
    if values > max(SMALL, MAX_EXPANSION * path.stat().st_size):
        message = f"The file unpacks to more than {MAX_EXPANSION} values for each of its bytes."
        raise rule_error(path, 1, "parquet-too-large", message)
    return names


def _is_integer_list(type_: Any) -> bool:  # noqa: ANN401
    is_list = pyarrow.types.is_list(type_) or pyarrow.types.is_large_list(type_)
    is_fixed = pyarrow.types.is_fixed_size_list(type_)
    return bool((is_list or is_fixed) and pyarrow.types.is_integer(type_.value_type))


def _token_row(path: Path, line: int, record: dict[str, Any], vocabulary: int) -> TokenRow:
    ids = record["input_ids"]
    for name, values in record.items():
        if values is None or None in values:
            raise rule_error(path, line, "null-value", f"{name} has a null.")
        if len(values) != len(ids):
            message = f"{name} has {len(values)} values, input_ids {len(ids)}."
            raise rule_error(path, line, "column-length", message)
    mask, labels = record.get("attention_mask"), record.get("labels")
    begin, end = _filled(path, line, mask) if mask is not None else (0, len(ids))
    ids = ids[begin:end]
    if not ids:
        raise rule_error(path, line, "no-tokens", "The row has no tokens.")
    wrong = next((id_ for id_ in ids if not 0 <= id_ < vocabulary), None)
    if wrong is not None:
        message = f"The token id {wrong} is not in the model's vocabulary of {vocabulary}."
        raise rule_error(path, line, "unknown-token", message)
    counts = [True] * len(ids) if labels is None else _counts(path, line, ids, labels[begin:end])
    return TokenRow(line, ids, counts)


def _filled(path: Path, line: int, mask: list[int]) -> tuple[int, int]:
    """Return start and end of the tokens between the padding."""
    begin = mask.index(1) if 1 in mask else len(mask)
    end = begin + sum(mask[begin:]) if set(mask) <= {0, 1} else -1
    if end < 0 or 0 in mask[begin:end]:
        message = "attention_mask is not ones with zeros around them."
        raise rule_error(path, line, "bad-mask", message)
    return begin, end


def _counts(path: Path, line: int, ids: list[int], labels: list[int]) -> list[bool]:
    """Return which tokens count; a label that is not ignored repeats its token."""
    for id_, label in zip(ids, labels, strict=True):
        if label not in (id_, IGNORED):
            message = f"A label is {label}, but its token is {id_}."
            raise rule_error(path, line, "shifted-labels", message)
    return [label != IGNORED for label in labels]
