"""The files of an image dataset: class folders in a zip or a tar, read sequentially.

Nothing is unpacked to disk and nothing in an archive is trusted: links, paths that lead out of it,
unknown kinds of entries and archives that unpack to far more than their size are refused. The
client's dataset checker follows the same rules.
"""

import gzip
import re
import stat
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, LargeZipFile, ZipFile, ZipInfo

from anneal_trainer.data.layout import Layout
from anneal_trainer.data.rules import rule_error
from anneal_trainer.data.tar import DamagedTarError, TarEntry, read_tar
from anneal_trainer.errors import DataError

ENDINGS = (".zip", ".tar.gz", ".tar")
MAX_ENTRIES = 1_000_000
MAX_BYTES = 64 * 2**30
"""Maximum size of all entries together."""
MAX_FILE_BYTES = 64 * 2**20
MAX_EXPANSION = 100
"""Maximum ratio of unpacked size to archive size, beyond SMALL bytes."""
SMALL = 16 * 2**20

# Files and folders that file managers add, in lower case.
LEFT_BEHIND = frozenset({"__macosx", "thumbs.db", "desktop.ini", "icon\r"})
UTF8_FLAG = 0x800
# A name that no file system allows: normalizing it would take too long.
LONG_NAME = re.compile(r"[^/]{256}")


@dataclass(frozen=True)
class ImageFile:
    """A file in a class folder."""

    name: str
    """Its path in the archive: class/file, or top/class/file."""
    label: str
    """The name of its class folder."""
    content: bytes
    """Its bytes, at most MAX_FILE_BYTES of them."""


def read_archive(path: Path) -> Iterator[ImageFile]:
    """Read the files in the class folders of an archive, in the archive's order.

    Raises DataError; its message starts with file:entry, or with file:1 for the whole archive.
    """
    if not path.name.endswith(ENDINGS):
        endings = ", ".join(ENDINGS)
        message = (
            f"An image-classification model is trained on {endings} files, not on {path.name}."
        )
        raise rule_error(path, 1, "file-type", message)
    is_zip = path.name.endswith(".zip")
    try:
        yield from _zip_files(path) if is_zip else _tar_files(path)
    except (BadZipFile, LargeZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise _damaged(path, f"The zip cannot be read ({error}).") from None
    except DamagedTarError as error:
        raise _damaged(path, f"The tar cannot be read ({error}).") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        what = "The zip cannot be read" if is_zip else "The compressed data is damaged"
        raise _damaged(path, f"{what} ({error}).") from None


def _damaged(path: Path, message: str) -> DataError:
    return rule_error(path, 1, "damaged-archive", message)


def _zip_files(path: Path) -> Iterator[ImageFile]:
    guard = _Guard(path)
    with ZipFile(path) as archive:
        for info in archive.infolist():
            name = _name_in_zip(info)
            file = guard.admit(name, info.file_size, _kind_in_zip(info, name))
            if file is None:
                continue
            if info.flag_bits & 1:
                raise rule_error(path, file[0], "unreadable-entry", "The file is encrypted.")
            if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
                raise rule_error(
                    path,
                    file[0],
                    "unreadable-entry",
                    "The file has an unsupported compression method.",
                )
            yield ImageFile(*file, archive.read(info))


def _name_in_zip(info: ZipInfo) -> str:
    """Return a name with folders separated by "/".

    macOS does not mark its names as UTF-8, and some programs for Windows separate by a backslash.
    """
    raw = info.orig_filename.encode("utf-8" if info.flag_bits & UTF8_FLAG else "cp437")
    return raw.decode("utf-8", "replace").replace("\\", "/")


def _kind_in_zip(info: ZipInfo, name: str) -> str:
    """Distinguish "file", "directory" and "other" by the Unix mode, if the zip has one."""
    mode = stat.S_IFMT(info.external_attr >> 16)
    if name.endswith("/"):
        return "directory"
    return "file" if mode in (0, stat.S_IFREG) else "other"


def _tar_files(path: Path) -> Iterator[ImageFile]:
    guard = _Guard(path)
    with _open_tar(path) as stream:
        for entry in read_tar(stream):
            file = guard.admit(entry.name, entry.size, _kind_in_tar(entry))
            if file is not None:
                yield ImageFile(*file, entry.read())


def _open_tar(path: Path) -> IO[bytes]:
    if path.name.endswith(".gz"):
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")


def _kind_in_tar(entry: TarEntry) -> str:
    if entry.name.endswith("/"):
        return "directory"
    return entry.kind


class _Guard:
    """Checks every entry of an archive before its bytes are read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._weight = path.stat().st_size
        self._entries = 0
        self._bytes = 0
        self._names: set[str] = set()
        self._layout = Layout()

    def admit(self, name: str, size: int, kind: str) -> tuple[str, str] | None:
        """Return path and class of a file to read, None for an entry to skip."""
        name = _entry_path(name)
        self._count(name, size)
        parts = name.rstrip("/").split("/")
        if name in ("", ".") or any(_is_left_behind(part) for part in parts):
            return None
        self._check_path(name, parts)
        if kind == "other":
            raise self._error(name, "not-a-file", "The entry is a link or a device.")
        return None if kind == "directory" else self._admit_file(name, parts[:-1], size)

    def _admit_file(self, name: str, folders: list[str], size: int) -> tuple[str, str]:
        misplaced = self._layout.problem(folders)
        if misplaced:
            raise self._error(name, "no-class-folder", misplaced)
        if size > MAX_FILE_BYTES:
            raise self._error(name, "image-too-large", "The image has more than 64 MiB.")
        if name in self._names:
            raise self._error(name, "duplicate-entry", "The archive has this file twice.")
        self._names.add(name)
        self._layout.settle(folders)
        return name, folders[-1]

    def _count(self, name: str, size: int) -> None:
        """Refuse archives that exceed a limit."""
        self._entries += 1
        self._bytes += size
        if self._entries > MAX_ENTRIES:
            raise self._excess(name, f"The archive has more than {MAX_ENTRIES:,} entries.")
        if self._bytes > MAX_BYTES:
            raise self._excess(name, "The archive unpacks to more than 64 GiB.")
        if self._bytes > SMALL and self._bytes > MAX_EXPANSION * self._weight:
            raise self._excess(
                name, f"The archive unpacks to more than {MAX_EXPANSION} times its size."
            )

    def _check_path(self, name: str, parts: list[str]) -> None:
        if LONG_NAME.search(name):
            raise self._error(
                name, "unsafe-path", "A name in the path has more than 255 characters."
            )
        if "\ufffd" in name:
            raise self._error(name, "unsafe-path", "The name is not UTF-8.")
        if re.search(r"[\x00-\x1f\x7f\\]", name):
            raise self._error(
                name, "unsafe-path", "The name has a backslash or a control character."
            )
        if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in parts:
            raise self._error(name, "unsafe-path", "The path leads out of the archive.")
        if "" in parts or "." in parts:
            raise self._error(name, "unsafe-path", "The path has an empty part.")

    def _excess(self, name: str, message: str) -> DataError:
        return self._error(name, "archive-too-large", message)

    def _error(self, name: str, rule: str, message: str) -> DataError:
        return rule_error(self._path, re.sub(r"[\x00-\x1f\x7f]", "?", name), rule, message)


def _entry_path(name: str) -> str:
    """Return the path of an entry.

    File systems spell letters with accents in one or two characters, so it is normalized: a class
    has the same name wherever its folder was packed.
    """
    path = name
    while path.startswith("./"):
        path = path[2:]
    return path if LONG_NAME.search(path) else unicodedata.normalize("NFC", path)


def _is_left_behind(name: str) -> bool:
    """Whether a file manager added a file or folder of this name, or hides it."""
    if name in (".", ".."):
        return False
    return name.startswith(".") or name.lower() in LEFT_BEHIND
