"""The device that training runs on: `python -m anneal_trainer.model.device` prints it.

If torch could not load the driver, it would silently train on the CPU, a hundred times slower. So
a GPU that exists must be usable, unless CUDA_VISIBLE_DEVICES is empty.
"""

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch

from anneal_trainer.errors import JobError, UnexpectedError

VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES"
DEVICES = Path("/dev")


def choose_device(
    environment: Mapping[str, str] = os.environ, devices: Path = DEVICES
) -> torch.device:
    """Return GPU or CPU. Raises UnexpectedError if there is a GPU that torch cannot use."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if _has_card(devices) and environment.get(VISIBLE_DEVICES, "0").strip() not in ("", "-1"):
        raise UnexpectedError(
            "This machine has a graphics card that torch cannot use.",
            "Check nvidia-smi and torch.cuda.is_available(), or set CUDA_VISIBLE_DEVICES to an "
            "empty value to train on the CPU.",
        )
    return torch.device("cpu")


def describe_device(device: torch.device) -> str:
    """Return the names of the GPUs, such as "2x NVIDIA H200", or "CPU"."""
    if device.type != "cuda":
        return "CPU"
    names = Counter(torch.cuda.get_device_name(card) for card in range(torch.cuda.device_count()))
    return ", ".join(name if count == 1 else f"{count}x {name}" for name, count in names.items())


def _has_card(devices: Path) -> bool:
    return any(re.fullmatch(r"nvidia\d+", path.name) for path in devices.iterdir())


def main() -> int:
    """Print {"device"}; return the exit code."""
    try:
        device = choose_device()
    except JobError as error:
        print(f"{error.message}\n{error.hint}", file=sys.stderr)
        return error.exit_code
    print(json.dumps({"device": describe_device(device)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
