"""Write dataset files and print the trainer's results for them: `python tests/agree.py`.

The files come from the client's tests. On stdin a list of {"path", "kind", "model"} with either
"columns" of a parquet file, or "entries" of an archive as [path, base64]; on stdout a list of
{"rows", "tokens", "kept", "learned", "truncated"} or {"error"}. Rows are cut to "maxLength" tokens,
by default 64.
"""

import base64
import json
import sys
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import pyarrow  # noqa: E402
from pictures import write_archive  # noqa: E402
from pyarrow import parquet  # noqa: E402

from anneal_trainer.data.causal import read_causal_dataset  # noqa: E402
from anneal_trainer.data.encode import TextEncoder  # noqa: E402
from anneal_trainer.data.images import count_images  # noqa: E402
from anneal_trainer.errors import DataError  # noqa: E402

encoder_of = cache(TextEncoder)


def write(path, columns=None, entries=None, **_):
    if columns is not None:
        types = {name: pyarrow.list_(pyarrow.int64()) for name in columns}
        arrays = {name: pyarrow.array(columns[name], types[name]) for name in columns}
        options = {"row_group_size": 3, "compression": ["zstd", "gzip", "snappy"][len(columns) - 1]}
        parquet.write_table(pyarrow.table(arrays), path, **options)
    if entries is not None:
        files = {name: base64.b64decode(content) for name, content in entries}
        write_archive(path, files)


def judge(path, kind, model, maxLength=64, **_):
    try:
        if kind == "image-classification":
            rows = count_images(path)
            return {"rows": rows, "tokens": rows}
        encoder = encoder_of(Path(model))
        figures = read_causal_dataset(path, encoder, maxLength, mask_inputs=True).figures
    except DataError as error:
        return {"error": f"{error.message}\n{error.hint}"}
    return {key: figures[key] for key in ("rows", "tokens", "kept", "learned", "truncated")}


def main():
    found = []
    for file in json.load(sys.stdin):
        path = Path(file.pop("path"))
        write(path, **file)
        found.append(judge(path, **file))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
