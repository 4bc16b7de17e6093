"""Report a run to Weights & Biases: `python -m anneal_online.track --events FILE --run ID …`.

Reads the journal while it is written and sends its figures to the run with that id. Nothing is sent
twice: when the run is opened, the server reports what it already has, so a restart continues where
it stopped. A server that was not reachable gets everything at the end.

The first line of standard input is {"wandb_api_key": …}; its end means that training has ended.
Standard output gets one line when the run is opened and one at the end: {"status", "warning"} with
status online, offline (the server could not be reached) or refused (the key is wrong). The exit
code is always 0: a tracker never ends a job.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

Status = Literal["online", "offline", "refused"]

PROJECT = "anneal"
LOOK_SECONDS = 0.5
OPEN_SECONDS = 20.0
"""Maximum time to open a run, so that training does not wait for an unreachable server."""

FIGURES = ("loss", "accuracy", "lr", "grad_norm", "epoch", "tokens", "tokens_per_second")

SETTINGS = {
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_SILENT": "true",
    "WANDB_DISABLE_CODE": "true",
    "WANDB_DISABLE_GIT": "true",
}

# The tracker gets no information about the provider's machine.
PRIVATE: dict[str, Any] = {
    "console": "off",
    "silent": True,
    "save_code": False,
    "disable_git": True,
    "disable_code": True,
    "disable_job_creation": True,
    "x_disable_stats": True,
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "x_save_requirements": False,
    "host": "provider",
}


class Journal:
    """The complete lines of events.jsonl, read as they appear."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield the events that were added since the last call."""
        if not self._path.is_file():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield json.loads(line)


class Run:
    """One run of the tracker, fed with events; steps that it already has are skipped."""

    def __init__(self, run: Any) -> None:  # noqa: ANN401
        self._run = run
        self._first = int(run.starting_step or 0)
        self._seen: set[tuple[str, int]] = set()
        self._last = 0

    def feed(self, event: dict[str, Any]) -> None:
        """Send the figures of an event; a restart of the trainer repeats some, unchanged."""
        type_ = event["type"]
        if type_ == "started":
            self._run.config.update(
                {**event["parameters"], "dataset": event["dataset"]}, allow_val_change=True
            )
        if type_ not in ("progress", "eval"):
            return
        step = int(event["step"])
        if (type_, step) in self._seen:
            return
        self._seen.add((type_, step))
        # The tracker accepts steps only in rising order.
        if step < max(self._first, self._last):
            return
        self._last = step
        group = "train" if type_ == "progress" else f"eval/{event.get('on', 'rows')}"
        figures = {f"{group}/{name}": event[name] for name in FIGURES if name in event}
        self._run.log(figures, step=step)

    def finish(self) -> None:
        """Send the remaining figures."""
        self._run.finish()


class Tracker:
    """Opens the run, online or offline, and keeps the status."""

    def __init__(self, options: argparse.Namespace, key: str | None, directory: Path) -> None:
        self._options = options
        self._key = key
        self._directory = directory
        self.status: Status = "offline"
        self.warning: str | None = None

    def open(self) -> Run | None:
        """Open the run at the server; None if that is not possible."""
        if not self._key:
            self._refuse("There is no wandb_api_key, so nothing is reported to Weights & Biases.")
            return None
        try:
            run = self._init("online", self._directory)
        except Exception as error:
            self._explain(error)
            return None
        self.status, self.warning = "online", None
        return run

    def write_offline(self, journal: Path, directory: Path) -> None:
        """Write the whole run to files that `wandb sync` can send later."""
        directory.mkdir(exist_ok=True)
        run = self._init("offline", directory)
        for event in Journal(journal).read():
            run.feed(event)
        run.finish()

    def _init(self, mode: Literal["online", "offline"], directory: Path) -> Run:
        import wandb

        # A run that failed to open would otherwise remain active.
        wandb.teardown()
        options = self._options
        settings: dict[str, Any] = {**PRIVATE, "init_timeout": OPEN_SECONDS, "api_key": self._key}
        if options.base_url:
            settings["base_url"] = options.base_url
        run = wandb.init(
            project=options.project,
            id=options.run,
            name=options.name or options.run,
            dir=str(directory),
            mode=mode,
            resume="allow" if mode == "online" else None,
            settings=wandb.Settings(**settings),
        )
        return Run(run)

    def _explain(self, error: Exception) -> None:
        """Distinguish a wrong key from an unreachable server; the key itself is never repeated."""
        from wandb.errors import AuthenticationError

        if isinstance(error, AuthenticationError) or re.search(r"\b40[13]\b", str(error)):
            self._refuse("Weights & Biases refuses the wandb_api_key.")
        else:
            self.status = "offline"
            self.warning = "Weights & Biases cannot be reached; trying again at the end."

    def _refuse(self, warning: str) -> None:
        self.status, self.warning = "refused", warning


class Ended:
    """Signals the end of standard input."""

    def __init__(self) -> None:
        self._event = threading.Event()
        threading.Thread(target=self._drain, daemon=True).start()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most `seconds`; return whether it was reached."""
        return self._event.wait(seconds)

    def _drain(self) -> None:
        while sys.stdin.read(4096):
            pass
        self._event.set()


def follow(journal: Journal, run: Run, is_over: Callable[[float], bool]) -> None:
    """Feed the run until training has ended and the journal is read to its end."""
    over = False
    while True:
        for event in journal.read():
            run.feed(event)
        if over:
            return
        over = is_over(LOOK_SECONDS)


def report(tracker: Tracker) -> None:
    """Print the status, one line for the daemon."""
    print(json.dumps({"status": tracker.status, "warning": tracker.warning}), flush=True)


def track(options: argparse.Namespace, key: str | None, directory: Path, ended: Ended) -> None:
    """Open the run and follow the journal; if the server was unreachable, send all at the end."""
    tracker = Tracker(options, key, directory)
    run = tracker.open()
    report(tracker)
    if run is None:
        ended.wait()
        run = tracker.open() if tracker.status == "offline" else None
    try:
        if run is not None:
            follow(Journal(options.events), run, ended.wait)
            run.finish()
        elif tracker.status == "offline":
            tracker.write_offline(options.events, options.offline)
            tracker.warning = "Weights & Biases could not be reached; the run is kept as files."
    except Exception as error:
        tracker.warning = f"Weights & Biases failed: {type(error).__name__}."
    report(tracker)


def main(arguments: Sequence[str] | None = None) -> int:
    """Track one training run to its end."""
    parser = argparse.ArgumentParser(prog="python -m anneal_online.track", description=__doc__)
    parser.add_argument("--events", type=Path, required=True, help="the journal, events.jsonl")
    parser.add_argument("--run", required=True, help="id of the run: the task's id")
    parser.add_argument("--project", default=PROJECT)
    parser.add_argument("--name", help="name of the run (default: its id)")
    parser.add_argument("--base-url", help="server of a dedicated instance")
    parser.add_argument("--offline", type=Path, required=True, help="directory for an unsent run")
    options = parser.parse_args(arguments)
    os.environ.update(SETTINGS)
    line = sys.stdin.readline()
    key = (json.loads(line) if line.strip() else {}).get("wandb_api_key")
    with tempfile.TemporaryDirectory(prefix="anneal-track-") as directory:
        track(options, key, Path(directory), Ended())
    return 0


if __name__ == "__main__":
    sys.exit(main())
