"""SHA-256 of files and directories, in a form that anyone can recompute with sha256sum."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path


def file_sha256(path: Path) -> str:
    """SHA-256 of one file's bytes, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_sha256(files: Mapping[str, Path]) -> str:
    """SHA-256 of the output of `sha256sum` for these files, sorted by name, hex.

    One line per file: the file's SHA-256, two spaces, its name, a newline.
    """
    lines = [f"{file_sha256(files[name])}  {name}\n" for name in sorted(files)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def directory_sha256(directory: Path, leave_out: Iterable[str] = ()) -> str:
    """`files_sha256` of all files below `directory`, named by relative path with slashes.

    `leave_out` has relative paths to leave out.
    """
    paths = {
        path.relative_to(directory).as_posix(): path
        for path in directory.rglob("*")
        if path.is_file()
    }
    return files_sha256({name: paths[name] for name in paths.keys() - set(leave_out)})


def _code_sha256() -> str:
    here = Path(__file__).parent
    return files_sha256(
        {
            path.relative_to(here).as_posix(): path
            for path in here.rglob("*")
            if path.suffix in (".py", ".json", ".txt")
        }
    )


CODE_SHA256 = _code_sha256()
"""SHA-256 of this package's files, computed like that of a model, hex. It is computed when the code
is loaded, because that is the code that trains."""
