"""Unpack a model from a zip archive: `python -m anneal_online.unpack --archive FILE --to DIR`.

Extracts only the files of a model that are at the top of the archive, or in the one folder that is
there: no folders, so that no path can lead out of it, and no links. Exit codes: 0 done, 2 the
archive contains no usable model.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo

from anneal_online.hub import MODEL_FILES
from anneal_trainer.errors import ConfigError, JobError
from anneal_trainer.model.files import read_model_config

HINT = "Pack config.json, tokenizer and safetensors in one folder, in a zip without compression."


def unpack(archive: Path, target: Path, max_bytes: int) -> None:
    """Unpack the archive's model to `target`, all or nothing. Raises ConfigError."""
    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        with ZipFile(archive) as file:
            _extract(file, part, max_bytes)
        read_model_config(part)
    except (BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        shutil.rmtree(part)
        raise ConfigError(f"The archive cannot be read ({error}).", HINT) from error
    except JobError:
        shutil.rmtree(part)
        raise
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)


def _extract(file: ZipFile, part: Path, max_bytes: int) -> None:
    folder = _common_folder(file.infolist())
    wanted = {
        name: entry
        for entry in file.infolist()
        if not {"/", "\\"} & set(name := entry.filename.removeprefix(folder))
        and any(fnmatch(name, pattern) for pattern in MODEL_FILES)
    }
    # The declared sizes are reliable: reading more of an entry fails its checksum.
    size = sum(entry.file_size for entry in wanted.values())
    if size > max_bytes:
        raise ConfigError(f"The archive has {size} bytes, more than {max_bytes}.", HINT)
    for name, entry in wanted.items():
        with file.open(entry) as source, (part / name).open("wb") as copy:
            shutil.copyfileobj(source, copy)


def _common_folder(entries: Sequence[ZipInfo]) -> str:
    """Return the folder that all entries are in, with its slash; "" if there is none."""
    folder = entries[0].filename.partition("/")[0] + "/" if entries else ""
    return folder if all(entry.filename.startswith(folder) for entry in entries) else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Unpack one archive and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m anneal_online.unpack", description=__doc__)
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--max-bytes", type=int, default=2**40)
    options = parser.parse_args(arguments)
    try:
        unpack(options.archive, options.to, options.max_bytes)
    except JobError as error:
        print(f"{error.message}\n{error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
