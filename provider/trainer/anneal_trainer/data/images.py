"""Image classification: archives of class folders to examples, and examples to model inputs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anneal_trainer.data.archive import ImageFile, read_archive
from anneal_trainer.data.image_header import ImageError, check_image
from anneal_trainer.data.image_processor import ImageProcessor, Pixels
from anneal_trainer.data.image_store import ImageStore
from anneal_trainer.data.label_rows import sort_labels
from anneal_trainer.data.rules import quote, rule_error
from anneal_trainer.errors import DataError

MAX_PIXELS_PER_BYTE = 500
"""Maximum pixels of all images per byte of the archive, beyond SMALL: all of them are decoded."""
SMALL = 2**28


@dataclass(frozen=True)
class Picture:
    """One image of a dataset."""

    processor: ImageProcessor
    """Turns the image into the model's input."""
    store: ImageStore
    """The store that keeps it."""
    number: int
    """Its number in the store."""

    @property
    def pixels(self) -> Pixels:
        """The image resized and cropped: uint8, (3, height, width)."""
        return self.store.read(self.number)


@dataclass(frozen=True)
class LabelledPicture:
    """One image and its class."""

    name: str
    """Its path in the archive."""
    label: str
    """The name of its class."""
    picture: Picture
    """The image."""


def count_images(path: Path, *, validation: bool = False) -> int:
    """Count the images of a dataset by their headers. Raises DataError.

    A training dataset has at least two classes.
    """
    labels = [file.label for file in _checked_files(path)]
    if not validation:
        image_labels(path, labels)
    if not labels:
        raise _no_images(path)
    return len(labels)


def read_images(path: Path, processor: ImageProcessor, scratch: Path) -> list[LabelledPicture]:
    """Decode all images of a dataset. Raises DataError at the first invalid one.

    They are kept in a file in the directory `scratch`.
    """
    store = ImageStore(processor, scratch, path.stat().st_size)
    pictures = []
    for file in _checked_files(path):
        try:
            number = store.add(file.content)
        except ImageError as error:
            raise rule_error(path, file.name, error.rule, error.message) from None
        pictures.append(LabelledPicture(file.name, file.label, Picture(processor, store, number)))
    if not pictures:
        raise _no_images(path)
    return pictures


def image_labels(path: Path, labels: Iterable[str]) -> list[str]:
    """Order the classes of a training dataset; there must be at least two."""
    known = set(labels)
    if not known:
        raise _no_images(path)
    if len(known) < 2:
        message = f"All images are in the class folder {quote(known.pop())}."
        raise rule_error(path, 1, "one-label", message)
    return sort_labels(known)


def pixel_values(pictures: Sequence[Picture]) -> NDArray[np.float32]:
    """Return the model's input for these images, float32, (images, 3, height, width)."""
    return pictures[0].processor.normalize(np.stack([picture.pixels for picture in pictures]))


def _checked_files(path: Path) -> Iterator[ImageFile]:
    """Read the images of an archive and check their headers."""
    most = max(SMALL, MAX_PIXELS_PER_BYTE * path.stat().st_size)
    pixels = 0
    for file in read_archive(path):
        try:
            pixels += check_image(file.content)
        except ImageError as error:
            raise rule_error(path, file.name, error.rule, error.message) from None
        if pixels > most:
            raise rule_error(
                path,
                file.name,
                "archive-too-large",
                f"The images have more than {MAX_PIXELS_PER_BYTE} pixels for each byte of the "
                "archive.",
            )
        yield file


def _no_images(path: Path) -> DataError:
    return rule_error(path, 1, "no-rows", "The archive has no images.")
