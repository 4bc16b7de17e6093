"""Token ids that counting keeps for training, so that a dataset is tokenized once.

A cache is an Arrow file. It belongs to one dataset, one tokenizer and one version of this code;
losing it costs time, nothing else.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import ipc

from anneal_trainer.data.encode import TextEncoder
from anneal_trainer.hashing import CODE_SHA256, file_sha256, files_sha256

Schema = Any
"""A pyarrow schema. Its fields may be lists of values, but not lists of lists."""
Record = tuple[Any, ...]
"""The values of one record, in the order of the schema's fields."""

BATCH_VALUES = 2**16
"""Values that are in memory before they are written."""


@dataclass(frozen=True)
class TokenCache:
    """The cache of one dataset's tokens."""

    path: Path
    """The file of the cache, which need not exist."""
    dataset: Path
    """The file of the dataset."""
    encoder: TextEncoder
    """The tokenizer."""

    def keep(self, schema: Schema, records: Iterable[Record]) -> Iterator[Record]:
        """Yield the records, writing them to the file, which is left empty if that fails."""
        writer = _Writer(self.path, self._with_key(schema))
        for record in records:
            writer.add(record)
            yield record
        writer.close()

    def read(self, schema: Schema) -> Iterator[Record] | None:
        """Return the records; None if there are none, or if they are of something else."""
        try:
            reader = ipc.open_file(pyarrow.memory_map(str(self.path)))
        except (OSError, pyarrow.ArrowInvalid):
            return None
        is_ours = reader.schema.equals(self._with_key(schema), check_metadata=True)
        return _records(reader) if is_ours else None

    def _with_key(self, schema: Schema) -> Schema:
        """Add to the schema a hash of everything that the tokens depend on."""
        facts = {
            "dataset": file_sha256(self.dataset),
            "tokenizer": files_sha256({file.name: file for file in self.encoder.files}),
            "code": CODE_SHA256,
            "versions": {name: version(name) for name in ("tokenizers", "jinja2")},
        }
        text = json.dumps(facts, sort_keys=True)
        return schema.with_metadata({"key": hashlib.sha256(text.encode()).hexdigest()})


class _Writer:
    """Writes records to a file until that fails; then the file is left empty."""

    def __init__(self, path: Path, schema: Schema) -> None:
        self._path = path
        self._schema = schema
        self._records: list[Record] = []
        self._values = 0
        self._works = True
        self._try(self._open)

    def add(self, record: Record) -> None:
        if not self._works:
            return
        self._records.append(record)
        self._values += sum(len(value) if isinstance(value, list) else 1 for value in record)
        if self._values >= BATCH_VALUES:
            self._try(self._flush)

    def close(self) -> None:
        self._try(self._flush)
        self._try(self._end)

    def _try(self, action: Callable[[], None]) -> None:
        if not self._works:
            return
        try:
            action()
        except OSError:
            self._works = False
            self._records = []
            os.truncate(self._path, 0)

    def _open(self) -> None:
        self._file = pyarrow.OSFile(str(self._path), "wb")
        self._stream = ipc.new_file(self._file, self._schema)

    def _flush(self) -> None:
        types = [field.type for field in self._schema]
        columns = zip(*self._records, strict=True) if self._records else ((),) * len(types)
        arrays = [pyarrow.array(*column) for column in zip(columns, types, strict=True)]
        self._stream.write_batch(pyarrow.record_batch(arrays, schema=self._schema))
        self._records, self._values = [], 0

    def _end(self) -> None:
        self._stream.close()
        self._file.close()


def _records(reader: Any) -> Iterator[Record]:  # noqa: ANN401
    for number in range(reader.num_record_batches):
        yield from zip(*map(_values, reader.get_batch(number).columns), strict=True)


def _values(column: Any) -> Iterator[Any]:  # noqa: ANN401
    """Return the values of a column as Python's; lists through numpy, which is quicker."""
    if not pyarrow.types.is_list(column.type):
        return iter(column.to_pylist())
    flat = column.values.to_numpy(zero_copy_only=False)
    offsets = column.offsets.to_pylist()
    missing = column.is_null().to_pylist()
    return (
        None if absent else flat[begin:end].tolist()
        for (begin, end), absent in zip(pairwise(offsets), missing, strict=True)
    )
