"""Images to a model's inputs, as defined by its preprocessor_config.json.

Resizing and cropping happen once, when the dataset is read, and keep 8 bits per channel; scaling
and normalizing happen when a batch is made. The result equals that of transformers' processors.
"""

import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from anneal_trainer.data.image_header import PNG_SIGNATURE, ImageError, check_image
from anneal_trainer.errors import ConfigError

CONFIG_HINT = "Ask the provider to repair the model's preprocessor_config.json."
CONVNEXT_WARPS_FROM = 384
"""Edge from which ConvNeXT's processor warps images instead of cropping them."""

Pixels = NDArray[np.uint8]

_KNOWN_STEPS = {"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"}
# Steps for other tasks or other inputs, which change nothing for one RGB image and its class.
_HARMLESS_STEPS = {"do_reduce_labels"}


# How to turn an image upright, by its EXIF orientation.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class _JpegFile(JpegImageFile):
    """A JPEG file, of which damaged EXIF data does not prevent the opening."""

    def _read_dpi_from_exif(self) -> None:
        """Skip what Pillow reads of the EXIF data on opening."""


@dataclass(frozen=True)
class ImageProcessor:
    """The steps of preprocessing, in this order."""

    shortest_edge: int | None
    """Resize so that the shorter edge has this many pixels."""
    square: tuple[int, int] | None
    """Or resize to this height and width, ignoring the aspect ratio."""
    resample: int
    """Filter for resizing, as Pillow numbers them."""
    crop: tuple[int, int] | None
    """Crop this height and width from the centre."""
    scale: float
    """Multiply the values 0 to 255 by this."""
    mean: tuple[float, ...]
    """Then subtract this, per channel,"""
    deviation: tuple[float, ...]
    """and divide by this."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of every image."""
        height, width = self.crop or self.square or (0, 0)
        return 3, height, width

    def read(self, content: bytes) -> Pixels:
        """Decode, turn upright, resize and crop a JPEG or PNG file: uint8, (3, height, width).

        Transparency is dropped, as in transformers' pipelines. Raises ImageError.
        """
        check_image(content)
        try:
            upright = _decode(content)
        except MemoryError:
            raise
        except Exception as error:
            # A decoder that is fed untrusted bytes may raise anything.
            raise ImageError("image-damaged", "The image cannot be decoded.") from error
        return _center_crop(np.asarray(self._resize(upright)).transpose(2, 0, 1), self.crop)

    def normalize(self, pixels: Pixels) -> NDArray[np.float32]:
        """Turn uint8 pixels (…, 3, height, width) into the model's inputs."""
        scaled = (pixels.astype(np.float64) * self.scale).astype(np.float32)
        mean, deviation = (
            np.array(values, np.float32)[:, None, None] for values in (self.mean, self.deviation)
        )
        normalized: NDArray[np.float32] = (scaled - mean) / deviation
        return normalized

    def _resize(self, image: Image.Image) -> Image.Image:
        if self.square is not None:
            size = (self.square[1], self.square[0])
        elif self.shortest_edge is not None:
            size = _proportional(image.size, self.shortest_edge)
        else:
            return image
        return image.resize(size, Image.Resampling(self.resample))


def load_image_processor(directory: Path, model_config: dict[str, Any]) -> ImageProcessor:
    """Read a model's preprocessor_config.json. Raises ConfigError if a step is not supported."""
    path = directory / "preprocessor_config.json"
    if not path.is_file():
        raise ConfigError("The model has no preprocessor_config.json.", CONFIG_HINT)
    if model_config.get("num_channels", 3) != 3:
        raise ConfigError("The model takes images that are not RGB.", CONFIG_HINT)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        processor = _convnext(config) if _is_convnext(config) else _read_config(config)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(
            "The model's preprocessor_config.json cannot be read.", CONFIG_HINT
        ) from None
    if not all(processor.shape):
        raise ConfigError(
            "The model's preprocessor_config.json does not give all images one size.", CONFIG_HINT
        )
    return processor


def _read_config(config: dict[str, Any]) -> ImageProcessor:
    """Read the keys that the processors of most architectures share."""
    _refuse_other_steps(config)
    has_crop = config.get("do_center_crop", "crop_size" in config)
    size = config.get("size") if config.get("do_resize", "size" in config) else None
    # Old files give one number: an edge if a crop follows, otherwise a square.
    edge = size if isinstance(size, int) and has_crop else None
    if isinstance(size, dict) and size.keys() == {"shortest_edge"}:
        edge = size["shortest_edge"]
    square = _pair(size) if size is not None and edge is None else None
    crop = _pair(config["crop_size"]) if has_crop else None
    return ImageProcessor(edge, square, config.get("resample", 2), crop, *_numbers(config))


def _is_convnext(config: dict[str, Any]) -> bool:
    name = config.get("image_processor_type") or config.get("feature_extractor_type") or ""
    return str(name).startswith("ConvNext")


def _convnext(config: dict[str, Any]) -> ImageProcessor:
    """Read the file of ConvNeXT and ResNet: an edge, and the share that the crop keeps."""
    _refuse_other_steps({**config, "crop_pct": None})
    size = config["size"]
    edge = int(size["shortest_edge"] if isinstance(size, dict) else size)
    resample = config.get("resample", 3)
    if edge >= CONVNEXT_WARPS_FROM:
        return ImageProcessor(None, (edge, edge), resample, None, *_numbers(config))
    whole = int(edge / (config.get("crop_pct") or 224 / 256))
    return ImageProcessor(whole, None, resample, (edge, edge), *_numbers(config))


def _refuse_other_steps(config: dict[str, Any]) -> None:
    """Refuse steps that would silently be left out."""
    steps = {key for key, value in config.items() if key.startswith("do_") and value}
    steps -= _KNOWN_STEPS | _HARMLESS_STEPS
    steps |= {key for key in ("crop_pct", "rescale_offset") if config.get(key)}
    if steps:
        raise ConfigError(
            f"The model's images need {sorted(steps)[0]}, which this trainer cannot do.",
            "Choose another model from the provider's catalogue.",
        )


def _numbers(config: dict[str, Any]) -> tuple[float, tuple[float, ...], tuple[float, ...]]:
    """Scale, mean and deviation; neutral values for a step that is switched off."""
    scale = config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 1.0
    if not config.get("do_normalize", "image_mean" in config):
        return scale, (0.0,) * 3, (1.0,) * 3
    mean, deviation = (
        tuple(float(value) for value in config[key]) for key in ("image_mean", "image_std")
    )
    if len(mean) != 3 or len(deviation) != 3 or not all(deviation):
        raise ValueError("a mean or deviation per channel is missing")
    return float(scale), mean, deviation


def _pair(size: Any) -> tuple[int, int]:  # noqa: ANN401
    if isinstance(size, dict):
        return int(size["height"]), int(size["width"])
    if isinstance(size, Sequence):
        return int(size[0]), int(size[1])
    return int(size), int(size)


def _decode(content: bytes) -> Image.Image:
    """Decode a file, and turn the image as its EXIF data says."""
    opener = PngImageFile if content.startswith(PNG_SIGNATURE) else _JpegFile
    with opener(io.BytesIO(content)) as image:
        decoded = image.convert("RGB")
        turn = _UPRIGHT.get(_orientation(image))
    return decoded if turn is None else decoded.transpose(turn)


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of a decoded image, 1 (upright) if it cannot be read."""
    try:
        orientation = image.getexif().get(Base.Orientation)
    except MemoryError:
        raise
    except Exception:
        # Untrusted bytes again, but the pixels are sound.
        return 1
    return orientation if isinstance(orientation, int) else 1


def _proportional(size: tuple[int, int], edge: int) -> tuple[int, int]:
    """Width and height with the shorter of them as long as `edge`."""
    short, long = min(size), max(size)
    other = int(edge * long / short)
    return (edge, other) if size[0] <= size[1] else (other, edge)


def _center_crop(pixels: Pixels, crop: tuple[int, int] | None) -> Pixels:
    """Crop the centre; a smaller image is padded with black."""
    if crop is None:
        return pixels
    for axis, wanted in zip((1, 2), crop, strict=True):
        missing = max(0, wanted - pixels.shape[axis])
        if missing:
            before = math.ceil(missing / 2)
            padding = [(0, 0)] * 3
            padding[axis] = (before, missing - before)
            pixels = np.pad(pixels, padding)
        start = (pixels.shape[axis] - wanted) // 2
        pixels = pixels.take(range(start, start + wanted), axis)
    return pixels
