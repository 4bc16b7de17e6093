"""Repeat a receipt's training run and compare: `anneal-verify --receipt R --job-dir DIR`.

The job directory contains job.json, data/, model/ and start/, unchanged; the run is repeated in a
temporary directory. `--from-step A --to-step B` repeats only that interval, from the checkpoint
work/checkpoints/step-A. Exit codes: 0 equal, 1 differs, 2 the receipt cannot be used, 3 the job
directory does not match the receipt.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anneal_trainer.__main__ import SETTINGS
from anneal_trainer.data.loading import load_data
from anneal_trainer.errors import EXIT_BAD_CONFIG, EXIT_BAD_DATA, JobError, StoppedError
from anneal_trainer.events import EventLog
from anneal_trainer.hashing import CODE_SHA256
from anneal_trainer.job import WORK, Job, load_job

EXIT_EQUAL = 0
EXIT_DIFFERS = 1
NO_PAUSE = float("inf")
"""Seconds between recovery checkpoints: a repeated run needs none."""


class UnusableError(JobError):
    """The receipt contradicts itself, or repeating its training run would prove nothing."""

    exit_code = EXIT_BAD_CONFIG


class OtherInputsError(JobError):
    """The job directory does not match the receipt."""

    exit_code = EXIT_BAD_DATA


class DiffersError(Exception):
    """The repeated run differs from the receipt; the message says where."""


class Witness(EventLog):
    """The journal of a repeated run; raises DiffersError at the first event that differs."""

    def __init__(self, path: Path, receipt: Mapping[str, Any]) -> None:
        super().__init__(path)
        self._receipt = receipt
        self._links: Sequence[str] = receipt["chain"]["links"]
        self._hashes = {kept["step"]: kept["hash"] for kept in receipt["checkpoints"]}
        self.step = 0

    def write(self, type_: str, **fields: Any) -> None:  # noqa: ANN401
        """Append one event after comparing it with the receipt."""
        if type_ == "started" and fields["batch_size"] != self._receipt["batch_size"]:
            raise DiffersError(
                f"Before the first step: the batch size is {fields['batch_size']} here, "
                f"{self._receipt['batch_size']} in the receipt."
            )
        if type_ == "progress":
            self._compare_step(fields)
        if type_ == "checkpoint" and fields["hash"] != self._hashes.get(fields["step"]):
            raise DiffersError(f"The checkpoint of step {fields['step']} differs.")
        super().write(type_, **fields)

    def _compare_step(self, figures: Mapping[str, Any]) -> None:
        from anneal_trainer.receipt import next_link

        self.step = step = figures["step"]
        names = ("loss", "grad_norm", "lr")
        if step < len(self._links):
            link = next_link(self._links[step - 1], step, *(figures[name] for name in names))
            if link == self._links[step]:
                return
        shown = ", ".join(f"{name} {figures[name]!r}" for name in names)
        raise DiffersError(f"Step {step} is the first that differs: here {shown}.")


def read_receipt(path: Path) -> dict[str, Any]:
    """Read a receipt and check that it is consistent. Raises UnusableError."""
    from anneal_trainer.receipt import first_link, identity_of

    hint = "Give the receipt.json of a finished training run, unchanged."
    try:
        receipt: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        inputs, links = receipt["inputs"], receipt["chain"]["links"]
        agrees = {
            "identity": receipt["identity"] == identity_of(inputs),
            "seed": receipt["seed"] == inputs["hyperparameters"]["seed"],
            "first link": links[0] == first_link(receipt["identity"]),
            "number of steps": len(links) == receipt["chain"]["steps"] + 1,
            "head": links[-1] == receipt["chain"]["head"],
        }
        needed = (receipt["batch_size"], receipt["environment"]["device"], receipt["code_sha256"])
        assert all(item is not None for item in needed)
        assert all({"step", "hash"} <= kept.keys() for kept in receipt["checkpoints"])
    except OSError as error:
        raise UnusableError(f"{path} cannot be read ({error.strerror}).", hint) from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, AssertionError):
        raise UnusableError(f"{path.name} is not a receipt of this version.", hint) from None
    for name, is_right in agrees.items():
        if not is_right:
            raise UnusableError(f"The receipt contradicts itself: its {name} is wrong.", hint)
    if receipt["environment"]["device"] != "cpu" and not inputs["hyperparameters"]["deterministic"]:
        raise UnusableError(
            "The training run was not deterministic, so repeating it proves nothing.",
            "Order a training run with deterministic set to true.",
        )
    devices = receipt["environment"].get("ranks", 1)
    if devices != 1:
        raise UnusableError(
            f"The training run used {devices} devices, and here it would be repeated on one, whose "
            "results differ by rounding.",
            "Run the job again on as many devices, and compare the links of its receipt.",
        )
    return receipt


def input_differences(receipt: Mapping[str, Any], inputs: Mapping[str, Any]) -> Iterator[str]:
    """Yield the inputs that differ from those of the receipt, one sentence each."""
    expected, here = dict(receipt["inputs"]), dict(inputs)
    settings_expected, settings_here = expected.pop("hyperparameters"), here.pop("hyperparameters")
    pairs = {key: (here.get(key), expected.get(key)) for key in here.keys() | expected.keys()}
    for key in settings_here.keys() | settings_expected.keys():
        pairs[f"hyperparameters.{key}"] = (settings_here.get(key), settings_expected.get(key))
    for key in sorted(pairs):
        ours, theirs = pairs[key]
        if ours != theirs:
            yield f"{key} is {json.dumps(ours)} here, {json.dumps(theirs)} in the receipt."


def environment_differences(receipt: Mapping[str, Any], threads: int) -> Iterator[str]:
    """Yield the reasons why an honest training run could have different results here."""
    from anneal_trainer.receipt import environment

    if receipt["code_sha256"] != CODE_SHA256:
        yield "The version of the trainer's code differs from the receipt's."
    here, expected = environment(threads), receipt["environment"]
    for key in sorted(here.keys() | expected.keys()):
        ours, theirs = here.get(key), expected.get(key)
        if ours != theirs:
            yield f"environment.{key} is {ours!r} here, {theirs!r} in the receipt."


def check_metrics(path: Path, receipt: Mapping[str, Any]) -> None:
    """Check the metrics that were delivered with the receipt, if any, against its hash chain."""
    from anneal_trainer.receipt import next_link

    if not path.is_file():
        return
    links: Sequence[str] = receipt["chain"]["links"]
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in (row for row in rows if row["type"] == "progress"):
        step = row["step"]
        link = next_link(links[step - 1], step, row["loss"], row["grad_norm"], row["lr"])
        if link != links[step]:
            raise DiffersError(f"{path.name} differs from the receipt's chain at step {step}.")


def repeat(
    job_directory: Path, receipt: Mapping[str, Any], first: int, last: int, place: Path
) -> None:
    """Train in `place` from step `first` to step `last`. Raises DiffersError if it differs."""
    from anneal_trainer.hashing import directory_sha256
    from anneal_trainer.train import train

    job = _copy_job(job_directory, receipt, first, place)
    witness = Witness(place / WORK / "events.jsonl", receipt)
    steps = receipt["chain"]["steps"]
    try:
        train(job, load_data(job), witness, lambda: last <= witness.step < steps, NO_PAUSE)
    except StoppedError:
        return
    finally:
        witness.close()
    if witness.step != steps:
        raise DiffersError(f"The training ends after step {witness.step}, not after {steps}.")
    # The metrics of an interval lack the steps before it.
    output = directory_sha256(place / WORK / "out", ["receipt.json"])
    if first == 0 and output != receipt["output_sha256"]:
        raise DiffersError("All steps are equal, but the files in out/ differ.")


def _copy_job(job_directory: Path, receipt: Mapping[str, Any], first: int, place: Path) -> Job:
    """Make a job directory whose newest checkpoint is the one of step `first`."""
    for name in ("data", "model", "start"):
        if (job_directory / name).exists():
            (place / name).symlink_to((job_directory / name).resolve())
    shutil.copyfile(job_directory / "job.json", place / "job.json")
    (place / WORK).mkdir()
    if first > 0:
        checkpoint = job_directory / WORK / f"checkpoints/step-{first}"
        _check_checkpoint(checkpoint, receipt, first)
        shutil.copytree(checkpoint, place / WORK / "checkpoints" / checkpoint.name)
    return load_job(place)


def _check_checkpoint(path: Path, receipt: Mapping[str, Any], step: int) -> None:
    from anneal_trainer.hashing import directory_sha256
    from anneal_trainer.model.checkpoint import COMPLETE

    hashes = {kept["step"]: kept["hash"] for kept in receipt["checkpoints"]}
    if step not in hashes:
        raise UnusableError(
            f"The receipt has no checkpoint of step {step}.",
            f"Start at {' or '.join(str(number) for number in [0, *hashes])}.",
        )
    if not path.is_dir():
        raise OtherInputsError(
            f"{WORK}/checkpoints/{path.name} does not exist in the job directory.",
            "Put the kept checkpoint there, or start at step 0.",
        )
    if directory_sha256(path, [COMPLETE]) != hashes[step]:
        raise OtherInputsError(
            f"checkpoints/{path.name} is not the checkpoint of the receipt.",
            "Put the checkpoint there as it was delivered, or start at step 0.",
        )
    state = json.loads((path / "state.json").read_text(encoding="utf-8"))
    for number, (ours, theirs) in enumerate(
        zip(state["links"], receipt["chain"]["links"], strict=False)
    ):
        if ours != theirs:
            raise DiffersError(f"The checkpoint's own chain differs at step {number}.")


def verify(receipt_path: Path, job_directory: Path, first: int, last: int | None) -> str:
    """Compare receipt and job directory, then the training run itself; return the verdict."""
    receipt = read_receipt(receipt_path)
    steps = receipt["chain"]["steps"]
    last = steps if last is None else last
    if not 0 <= first < last <= steps:
        raise UnusableError(
            f"There is no interval from step {first} to step {last} in {steps} steps.",
            f"Give 0 <= from-step < to-step <= {steps}.",
        )
    job = load_job(job_directory)
    # Imported late, so that an invalid receipt is refused without loading torch.
    from anneal_trainer.receipt import job_inputs

    differences = list(input_differences(receipt, job_inputs(job)))
    if differences:
        raise OtherInputsError(
            " ".join(differences), "Put the receipt's inputs into the job directory."
        )
    for difference in environment_differences(receipt, job.threads):
        print(f"Note: {difference}")
    check_metrics(receipt_path.with_name("metrics.jsonl"), receipt)
    with tempfile.TemporaryDirectory(prefix="anneal-verify-") as place:
        repeat(job_directory, receipt, first, last, Path(place))
    return f"Equal: all links from step {first} to step {last} of {steps} are the receipt's."


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify one receipt and return the exit code."""
    parser = argparse.ArgumentParser(prog="anneal-verify", description=__doc__)
    parser.add_argument("--receipt", type=Path, required=True, help="receipt.json")
    parser.add_argument("--job-dir", type=Path, required=True, help="directory with job.json")
    parser.add_argument("--from-step", type=int, default=0, help="a kept checkpoint (default 0)")
    parser.add_argument("--to-step", type=int, help="last step repeated (default: the last one)")
    options = parser.parse_args(arguments)
    os.environ.update(SETTINGS)
    try:
        directory = options.job_dir.resolve()
        print(verify(options.receipt, directory, options.from_step, options.to_step))
    except DiffersError as difference:
        print(difference)
        return EXIT_DIFFERS
    except JobError as error:
        print(f"{error.message}\n{error.hint}", file=sys.stderr)
        return error.exit_code
    return EXIT_EQUAL


if __name__ == "__main__":
    sys.exit(main())
