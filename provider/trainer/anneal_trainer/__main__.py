"""One job from start to end: `anneal-train --job-dir DIR`.

Reads job.json, data/, tokens/, model/ and start/ there, and writes only to work/.

Exit codes: 0 done, 2 bad config, 3 bad data, 4 out of memory, 75 stopped and resumable, 1 any other
error. Unless the trainer is killed, it writes result.json; every failure is also an `error` event.
"""

import argparse
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from anneal_trainer.data.loading import JobData, load_data
from anneal_trainer.errors import (
    EXIT_DONE,
    EXIT_STOPPED,
    EXIT_UNEXPECTED,
    JobError,
    OutOfMemoryError,
    StoppedError,
    UnexpectedError,
    is_lost_rank,
    is_out_of_memory,
)
from anneal_trainer.events import EventLog, NoEvents
from anneal_trainer.job import WORK, Job, load_job
from anneal_trainer.launch import is_first, is_rank, launch
from anneal_trainer.model.start import check_start
from anneal_trainer.output import write_result

SETTINGS = {
    # Never connect to a hub, not even to look for a newer version.
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # Makes cuBLAS deterministic; read when it is loaded.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    # Waiting threads sleep: spinning ones made steps 5 times slower on a machine with other work.
    "OMP_WAIT_POLICY": "passive",
}


RESULT = "result.json"
"""The file in work/ with the outcome of a run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job and return the exit code."""
    parser = argparse.ArgumentParser(prog="anneal-train", description=__doc__)
    parser.add_argument("--job-dir", type=Path, required=True, help="directory with job.json")
    parser.add_argument(
        "--recovery-seconds",
        type=float,
        default=60,
        help="minimum seconds between two recovery checkpoints (default 60)",
    )
    options = parser.parse_args(arguments)
    directory: Path = options.job_dir.resolve()
    if not directory.is_dir():
        parser.error(f"{directory} is not a directory.")
    os.environ.update(SETTINGS)
    if not is_rank() and (devices := _devices(directory)) > 1:
        given = sys.argv[1:] if arguments is None else arguments
        return launch(devices, given, directory / WORK / RESULT)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return run(directory, stop.is_set, options.recovery_seconds)


def _devices(directory: Path) -> int:
    """Return the number of devices of a job; 1 if the job is invalid, which `run` then reports."""
    try:
        return load_job(directory).devices
    except JobError:
        return 1


def run(directory: Path, is_stopped: Callable[[], bool], recovery_seconds: float) -> int:
    """Run the job and return the exit code.

    The first rank, or only process, writes events.jsonl and result.json to work/.
    """
    work = directory / WORK
    work.mkdir(exist_ok=True)
    events = EventLog(work / "events.jsonl") if is_first() else NoEvents()
    report = _reporter(work / RESULT)
    job: Job | None = None
    try:
        job = load_job(directory)
        data = load_data(job)
        check_start(job, data.labels)
        _warn(events, job, data)
        # Imported late, so that an invalid job is refused without loading torch.
        from anneal_trainer.train import train

        figures = train(job, data, events, is_stopped, recovery_seconds)
        report(_outcome(job, "completed", EXIT_DONE, figures))
        events.write("done", **{key: figures[key] for key in DONE_FIGURES})
        return EXIT_DONE
    except StoppedError:
        message = {"message": "The job was stopped on request and can be resumed."}
        report(_outcome(job, "stopped", EXIT_STOPPED, message))
        return EXIT_STOPPED
    except Exception as error:
        if is_rank() and is_lost_rank(error):
            print(f"Another rank has ended: {error}", file=sys.stderr)
            return EXIT_UNEXPECTED
        failure = _as_job_error(error)
        fields = {
            "code": failure.code,
            "message": failure.message,
            "hint": failure.hint,
            "retryable": failure.retryable,
        }
        events.write("error", **fields)
        report(_outcome(job, "failed", failure.exit_code, fields))
        print(f"{failure.message}\n{failure.hint}", file=sys.stderr)
        return failure.exit_code
    finally:
        events.close()


def _reporter(path: Path) -> Callable[[dict[str, Any]], None]:
    """Remove an earlier result, and return what writes the new one: nothing but the first rank."""
    if not is_first():
        return lambda _: None
    path.unlink(missing_ok=True)
    return partial(write_result, path)


DONE_FIGURES = (
    "steps",
    "tokens",
    "loss_on",
    "loss_before",
    "loss_after",
    "accuracy_before",
    "accuracy_after",
    "seconds",
)


def _warn(events: EventLog, job: Job, data: JobData) -> None:
    for warning in job.warnings:
        events.warn(warning)
    for dataset in (data.train, data.validation):
        for warning in dataset.warnings if dataset else ():
            events.warn(warning)


def _outcome(
    job: Job | None, status: str, exit_code: int, fields: dict[str, Any]
) -> dict[str, Any]:
    return {
        "version": 1,
        "task_id": job.task_id if job else None,
        "kind": job.kind if job else None,
        "status": status,
        "exit_code": exit_code,
        **fields,
    }


def _as_job_error(error: Exception) -> JobError:
    """Turn every error into a JobError; print the traceback of an unexpected one to stderr."""
    if isinstance(error, JobError):
        return error
    if is_out_of_memory(error):
        return OutOfMemoryError(
            "Model and batch do not fit into memory.",
            "Lower batch_size or max_seq_length, or train with lora.",
        )
    traceback.print_exception(error)
    return UnexpectedError(
        f"The trainer failed: {type(error).__name__}: {error}.",
        "Try again; if it happens again, report it with the trainer's output.",
    )


if __name__ == "__main__":
    sys.exit(main())
