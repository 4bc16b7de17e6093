"""Rows and tokens of a dataset file: `python -m anneal_trainer.count --model DIR --kind K FILE`.

Exit codes: 0 counted, 2 bad model, 3 bad data, 4 out of memory.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from anneal_trainer.data.causal import RowReader, count_tokens, template_error
from anneal_trainer.data.encode import TextEncoder
from anneal_trainer.data.images import count_images
from anneal_trainer.data.label_rows import read_label_rows
from anneal_trainer.data.rows import read_causal_rows
from anneal_trainer.data.token_rows import read_token_rows
from anneal_trainer.errors import EXIT_OUT_OF_MEMORY, JobError
from anneal_trainer.job import Kind


def count(
    model_directory: Path, kind: Kind, path: Path, *, validation: bool = False
) -> tuple[int, int]:
    """Count rows, and tokens before truncation, of one dataset file for one epoch.

    An image is one token. Padding in parquet files does not count.
    """
    if kind == "image-classification":
        images = count_images(path, validation=validation)
        return images, images
    rows, tokens = 0, 0
    for length in _row_lengths(TextEncoder(model_directory), kind, path):
        rows += 1
        tokens += length
    return rows, tokens


def _row_lengths(encoder: TextEncoder, kind: Kind, path: Path) -> Iterator[int]:
    """Yield the tokens of each row; one row is in memory at a time."""
    if kind == "text-classification":
        for labelled in read_label_rows(path):
            yield len(encoder.encode_special(labelled.text)[0])
    elif path.suffix == ".parquet":
        for ids in read_token_rows(path, encoder.vocabulary):
            yield len(ids.ids)
    else:
        reader = RowReader(encoder)
        for row in read_causal_rows(path):
            try:
                yield count_tokens(reader, row)
            except ValueError as error:
                raise template_error(path, row, error) from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Print {"rows", "tokens"} of a file; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m anneal_trainer.count", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="model directory")
    parser.add_argument("--kind", choices=get_args(Kind), required=True)
    parser.add_argument("--validation", action="store_true", help="not to be trained on")
    parser.add_argument("file", type=Path, help="dataset: .jsonl, .csv, .tsv, .parquet, .zip, .tar")
    options = parser.parse_args(arguments)
    if not options.file.is_file():
        parser.error(f"{options.file} does not exist.")
    try:
        rows, tokens = count(
            options.model, options.kind, options.file, validation=options.validation
        )
    except JobError as error:
        print(f"{error.message}\n{error.hint}", file=sys.stderr)
        return error.exit_code
    except MemoryError:
        return EXIT_OUT_OF_MEMORY
    print(json.dumps({"rows": rows, "tokens": tokens}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
