"""Image classification: archives of class folders into examples, and examples into numbers."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finetune.archive import ImageFile, entry_error, read_archive
from finetune.errors import DataError
from finetune.image_header import ImageError, check_image
from finetune.image_processor import ImageProcessor, Pixels
from finetune.label_rows import sort_labels


@dataclass(frozen=True)
class Picture:
    """One image of a dataset, resized and cropped."""

    pixels: Pixels
    """uint8, (3, height, width); lies in a file that is read when it is needed."""
    processor: ImageProcessor
    """How the pixels become the numbers the model takes."""


@dataclass(frozen=True)
class LabelledPicture:
    """One image and its class."""

    name: str
    """Its path in the archive."""
    label: str
    """The name of its class."""
    picture: Picture
    """The image."""


def count_images(path: Path) -> int:
    """Count the images of a dataset by their headers. Raises DataError."""
    files = [_checked(path, file) for file in read_archive(path)]
    image_labels(path, (label for label, _ in files))
    return len(files)


def read_images(path: Path, processor: ImageProcessor, scratch: Path) -> list[LabelledPicture]:
    """Decode all images of a dataset. Raises DataError at the first that cannot be used.

    The pixels are kept in a file without a name in the directory `scratch`: it takes no memory, and
    the system frees it when the process ends, however it ends.
    """
    names = []
    with tempfile.TemporaryFile(dir=scratch) as store:
        for file in read_archive(path):
            try:
                store.write(processor.read(file.content).tobytes())
            except ImageError as error:
                raise entry_error(path, file.name, error.problem, error.hint) from None
            names.append((file.name, file.label))
        if not names:
            raise _no_images(path)
        store.flush()
        pixels = np.memmap(store, np.uint8, "r", shape=(len(names), *processor.shape))
    return [
        LabelledPicture(name, label, Picture(one, processor))
        for (name, label), one in zip(names, pixels, strict=True)
    ]


def image_labels(path: Path, labels: Iterable[str]) -> list[str]:
    """Order the classes of a training dataset; there must be at least two."""
    known = set(labels)
    if not known:
        raise _no_images(path)
    if len(known) < 2:
        raise DataError(
            f"{path.name}:1: all images are in the class folder {known.pop()!r}.",
            "Give images of at least two classes.",
        )
    return sort_labels(known)


def pixel_values(pictures: Sequence[Picture]) -> NDArray[np.float32]:
    """Return what a model takes for these images, float32, (images, 3, height, width)."""
    return pictures[0].processor.normalize(np.stack([picture.pixels for picture in pictures]))


def _checked(path: Path, file: ImageFile) -> tuple[str, str]:
    try:
        check_image(file.content)
    except ImageError as error:
        raise entry_error(path, file.name, error.problem, error.hint) from None
    return file.label, file.name


def _no_images(path: Path) -> DataError:
    return DataError(
        f"{path.name}:1: the archive has no images.",
        "Put every image into a folder of its class at the top of the archive: class/image.",
    )
