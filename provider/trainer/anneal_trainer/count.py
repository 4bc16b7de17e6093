"""Rows and tokens of a dataset file: `python -m anneal_trainer.count --model DIR --kind K FILE`.

Exit codes: 0 counted, 2 bad model, 3 bad data, 4 out of memory.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from anneal_trainer.data.encode import TextEncoder
from anneal_trainer.data.encoded_rows import encode_causal_rows, encode_label_rows
from anneal_trainer.data.images import count_images
from anneal_trainer.data.label_rows import read_label_rows
from anneal_trainer.data.token_cache import TokenCache
from anneal_trainer.data.token_rows import read_token_rows
from anneal_trainer.errors import EXIT_OUT_OF_MEMORY, JobError
from anneal_trainer.job import Kind


def count(
    model_directory: Path,
    kind: Kind,
    path: Path,
    *,
    validation: bool = False,
    tokens: Path | None = None,
) -> tuple[int, int]:
    """Count rows, and tokens before truncation, of one dataset file for one epoch.

    An image is one token. Padding in parquet files does not count. The token ids of rows of text
    are left for the training in the file `tokens`.
    """
    if kind == "image-classification":
        images = count_images(path, validation=validation)
        return images, images
    encoder = TextEncoder(model_directory)
    cache = TokenCache(tokens, path, encoder) if tokens else None
    rows, total = 0, 0
    for length in _row_lengths(encoder, kind, path, cache):
        rows += 1
        total += length
    return rows, total


def _row_lengths(
    encoder: TextEncoder, kind: Kind, path: Path, cache: TokenCache | None
) -> Iterator[int]:
    """Return the tokens of each row; one row is in memory at a time."""
    if kind == "text-classification":
        encoded = encode_label_rows(read_label_rows(path), encoder, cache)
        return (len(ids) for ids, _ in encoded)
    if path.suffix == ".parquet":
        return (len(row.ids) for row in read_token_rows(path, encoder.vocabulary))
    return (row.tokens for row in encode_causal_rows(path, encoder, cache))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print {"rows", "tokens"} of a file; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m anneal_trainer.count", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="model directory")
    parser.add_argument("--kind", choices=get_args(Kind), required=True)
    parser.add_argument("--validation", action="store_true", help="not to be trained on")
    parser.add_argument("--tokens", type=Path, help="file to leave the token ids in")
    parser.add_argument("file", type=Path, help="dataset: .jsonl, .csv, .tsv, .parquet, .zip, .tar")
    options = parser.parse_args(arguments)
    if not options.file.is_file():
        parser.error(f"{options.file} does not exist.")
    try:
        rows, tokens = count(
            options.model,
            options.kind,
            options.file,
            validation=options.validation,
            tokens=options.tokens,
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
