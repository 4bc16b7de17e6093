"""Checkpoints: the whole state of a run on disk, written atomically.

A directory is written under a temporary name, made durable, marked COMPLETE and renamed, so that
after a crash at any moment the newest complete checkpoint is there to continue from. Nothing is
pickled: tensors are safetensors, the rest is JSON.
"""

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from anneal_trainer import ranks
from anneal_trainer.errors import ConfigError, DiskFullError, is_disk_full
from anneal_trainer.hashing import directory_sha256

COMPLETE = "COMPLETE"
RECOVERY_SHARE = 0.05
"""Maximum share of the time that is spent on recovery checkpoints."""


@dataclass
class State:
    """The state of a run besides tensors; everything else follows from the job and `step`."""

    identity: str
    """SHA-256 of job, base model and datasets: a checkpoint of another job is refused."""
    batch_size: int
    """Rows per forward pass, determined once and kept across restarts."""
    links: list[str]
    """The hash chain over the completed steps, starting with its first link, hex (receipt.py)."""
    before: dict[str, Any]
    """Scores and samples of the base model, measured before the first step."""
    checkpointing: bool = False
    """Whether activations are computed again in the backward pass, like `batch_size`."""
    step: int = 0
    """Completed steps."""
    tokens: int = 0
    """Tokens trained on, including repetitions, without padding."""
    best_loss: float | None = None
    """Lowest validation loss of the evaluations so far."""
    evaluations_without_gain: int = 0
    """Evaluations since then."""

    @property
    def chain(self) -> str:
        """Head of the hash chain, hex."""
        return self.links[-1]


class CheckpointStore:
    """The checkpoints in the directory that a job writes to.

    checkpoints/step-N belong to the user and are kept. recovery/step-N only serve restarts; the
    newest replaces the one before. Ranks write a checkpoint together, and all of them must call
    these methods: the first rank writes everything but the other ranks' random generators and, if
    the model is in shards, their shards. Any number of ranks can load it.
    """

    def __init__(
        self,
        directory: Path,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        recovery_seconds: float,
    ) -> None:
        self._checkpoints = directory / "checkpoints"
        self._recovery = directory / "recovery"
        self._parameters = {
            name: value for name, value in model.named_parameters() if value.requires_grad
        }
        self._optimizer = optimizer
        self._pause = recovery_seconds
        self._saved_at = time.monotonic()

    def keep(self, state: State, export: Callable[[Path], None]) -> str:
        """Write the user's checkpoint of this step with `export`'s files; return its SHA-256."""
        hash_ = self._write(self._checkpoints / f"step-{state.step}", state, export)
        self._drop_recovery(but=None)
        self._saved_at = time.monotonic()
        return hash_

    def is_recovery_due(self) -> bool:
        """Return whether the last checkpoint is old enough for a new one to be worth its time."""
        return ranks.first_says(time.monotonic() - self._saved_at > self._pause)

    def recover(self, state: State) -> Path:
        """Write a recovery checkpoint and delete the one before."""
        began = time.monotonic()
        path = self._recovery / f"step-{state.step}"
        self._write(path, state)
        self._drop_recovery(but=path)
        self._saved_at = time.monotonic()
        self._pause = max(self._pause, (self._saved_at - began) / RECOVERY_SHARE)
        return path

    def load(self, path: Path) -> None:
        """Restore parameters, optimizer and random generators from a checkpoint."""
        tensors = _SavedTensors(path)
        for name, parameter in self._parameters.items():
            with torch.no_grad():
                parameter.copy_(ranks.cut_like(tensors[f"parameter/{name}"], parameter))
            prefix = f"optimizer/{name}/"
            moments: dict[str, Any] = {
                key.removeprefix(prefix): _like_moment(tensors[key], parameter)
                for key in tensors.names
                if key.startswith(prefix)
            }
            if moments:
                # bitsandbytes counts its steps in an integer, torch in a tensor.
                if not isinstance(self._optimizer, torch.optim.AdamW):
                    moments["step"] = int(moments["step"])
                self._optimizer.state[parameter] = moments
        # Written by fewer ranks, it has nothing for this one, whose generators keep their seed.
        cpu, cuda = (_random(device) for device in ("cpu", "cuda"))
        if cpu in tensors.names:
            torch.set_rng_state(tensors[cpu])
        if cuda in tensors.names and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors[cuda])

    def kept(self) -> list[dict[str, Any]]:
        """List the user's checkpoints by step: step, path in the job directory, SHA-256."""
        marks = self._checkpoints.glob(f"step-*[0-9]/{COMPLETE}")
        steps = {int(mark.parent.name.removeprefix("step-")): mark for mark in marks}
        return [
            {
                "step": step,
                "path": f"checkpoints/step-{step}",
                "hash": steps[step].read_text(encoding="utf-8").strip(),
            }
            for step in sorted(steps)
        ]

    def finish(self) -> None:
        """Delete the recovery checkpoint."""
        self._drop_recovery(but=None)

    def _write(
        self, path: Path, state: State, export: Callable[[Path], object] = lambda _: None
    ) -> str:
        """Write a checkpoint; return the SHA-256 of its files, which COMPLETE contains."""

        def fill(place: Path) -> None:
            export(place)
            ranks.wait()
            self._save_tensors(place)
            text = json.dumps(asdict(state), indent=2, sort_keys=True, ensure_ascii=False)
            (place / "state.json").write_text(text + "\n", encoding="utf-8")
            ranks.wait()
            (place / COMPLETE).write_text(directory_sha256(place) + "\n", encoding="utf-8")

        if ranks.rank() > 0:
            ranks.wait()
            self._save_tensors(temporary_name(path))
            ranks.wait()
            return ranks.first_says("")
        write_directory(path, fill)
        return ranks.first_says((path / COMPLETE).read_text(encoding="utf-8").strip())

    def _save_tensors(self, place: Path) -> None:
        """Write this rank's file."""
        tensors: dict[str, Tensor] = {_random("cpu"): torch.get_rng_state()}
        if torch.cuda.is_available():
            tensors[_random("cuda")] = torch.cuda.get_rng_state()
        for name, parameter in self._parameters.items():
            for key, value in {"": parameter, **self._optimizer.state.get(parameter, {})}.items():
                tensor = torch.as_tensor(value).detach()
                if ranks.rank() > 0 and not ranks.is_shard(tensor):
                    continue
                own = ranks.local(tensor).cpu().contiguous()
                # bitsandbytes has one table of its numbers for all weights.
                place_in_file = f"optimizer/{name}/{key}" if key else f"parameter/{name}"
                tensors[place_in_file] = own.clone() if key.startswith("qmap") else own
        save_file(tensors, place / _file_of(ranks.rank()))

    def _drop_recovery(self, but: Path | None) -> None:
        if ranks.rank() == 0 and self._recovery.is_dir():
            for path in self._recovery.iterdir():
                if path != but:
                    shutil.rmtree(path)


class _SavedTensors:
    """The tensors of a checkpoint, by name; those in shards are put together."""

    def __init__(self, path: Path) -> None:
        written = (path / _file_of(rank) for rank in count())
        files = [safe_open(file, "pt") for file in takewhile(Path.exists, written)]
        self._holders: dict[str, list[Any]] = {}
        for file in files:
            for name in file.keys():  # type: ignore[no-untyped-call]  # noqa: SIM118
                self._holders.setdefault(name, []).append(file)
        self.names = tuple(self._holders)

    def __getitem__(self, name: str) -> Tensor:
        parts: list[Tensor] = [file.get_tensor(name) for file in self._holders[name]]
        # Shards are cut along the first dimension, in the order of the ranks.
        return parts[0] if len(parts) == 1 else torch.cat(parts)


def _file_of(rank: int) -> str:
    return "training.safetensors" if rank == 0 else f"training-{rank}.safetensors"


def _random(device: str) -> str:
    """Name the state of this rank's generator of a device."""
    return f"random/{device}" if ranks.rank() == 0 else f"random/{device}/{ranks.rank()}"


def _like_moment(tensor: Tensor, parameter: Tensor) -> Tensor:
    """Cut a moment of the optimizer like its parameter; the number of steps is not cut."""
    same = tensor.shape == parameter.shape
    return ranks.cut_like(tensor, parameter) if same else tensor.to(parameter.device)


def newest_checkpoint(directory: Path, identity: str) -> tuple[Path, State] | None:
    """Find the complete checkpoint with the most steps. Raises ConfigError if it is of another job.

    A checkpoint whose files do not match its COMPLETE file is damaged, and is skipped.
    """
    complete = [
        path.parent
        for folder in ("checkpoints", "recovery")
        for path in (directory / folder).glob(f"step-*[0-9]/{COMPLETE}")
    ]
    complete.sort(key=lambda place: int(place.name.removeprefix("step-")), reverse=True)
    path = next((place for place in complete if _is_whole(place)), None)
    if path is None:
        return None
    state = State(**json.loads((path / "state.json").read_text(encoding="utf-8")))
    if state.identity != identity:
        raise ConfigError(
            f"The checkpoint {path.name} was made with another job, model or dataset.",
            "Use a new job directory.",
        )
    return path, state


def write_directory(path: Path, fill: Callable[[Path], object]) -> None:
    """Make a directory with what `fill` writes, durably and atomically.

    Raises DiskFullError if there is no space for it; an existing directory of that name is kept.
    """
    temporary = temporary_name(path)
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        fill(temporary)
        for file in [*temporary.rglob("*"), temporary]:
            _sync(file)
    except Exception as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if is_disk_full(error):
            raise DiskFullError(
                f"The disk is full: {path.parent.name}/{path.name} could not be written.",
                "Free space on the disk; training then continues from the newest checkpoint.",
            ) from error
        raise
    shutil.rmtree(path, ignore_errors=True)
    temporary.rename(path)
    _sync(path.parent)


def temporary_name(path: Path) -> Path:
    """Return where a directory is written before it gets its name."""
    return path.with_name(path.name + ".tmp")


def _is_whole(path: Path) -> bool:
    mark = (path / COMPLETE).read_text(encoding="utf-8").strip()
    return directory_sha256(path, [COMPLETE]) == mark


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
