"""Runs checks one after the other, each in a process of its own with a time limit.

A process that is killed, crashes or hangs ends its own check only. The report on the disk has a
verdict for every check at any moment, so that a run may be cut off.
"""

import importlib
import json
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TextIO

GRACE_SECONDS = 3
"""From the request to end to the end by force."""
FIGURES = "figures.json"
LEAST_SECONDS = 2
"""With less time left no check is started."""


class FailedError(Exception):
    """A check found something wrong; the text says what."""


class NotThereError(Exception):
    """What a check is about does not exist; the text says what."""


@dataclass(frozen=True)
class Check:
    """A function of a module in this folder, run as `function(bench, *arguments)`."""

    name: str
    limit: float
    """Maximum seconds."""
    module: str
    function: str
    arguments: tuple[Any, ...] = ()
    needs: tuple[str, ...] = ()
    """Names of checks that must have passed before."""


@dataclass
class Outcome:
    """What is known of a check."""

    name: str
    verdict: str = "not run"
    """passed, failed, out of time, cut off, not there or not run."""
    reason: str = "The run ended before this check."
    """Why it did not pass, empty if it did."""
    seconds: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)


class Bench:
    """What a check gets: folders for models and jobs, and a place for figures."""

    def __init__(self, shared: Path, folder: Path, *, rehearsal: bool) -> None:
        self.shared = shared
        """The folder of all checks of a run."""
        self.folder = folder
        """The folder of this check, deleted at its end."""
        self.rehearsal = rehearsal
        """Whether models and rows are tiny, for a CPU."""
        self._path = shared / FIGURES
        self._figures: dict[str, Any] = {}

    def note(self, **figures: Any) -> None:  # noqa: ANN401
        """Keep figures at once, even if the check does not end."""
        self._figures |= figures
        write_json(self._path, self._figures)


def supervise(
    checks: Sequence[Check],
    report: dict[str, Any],
    path: Path,
    log: TextIO,
    seconds: float,
) -> None:
    """Run the checks within so many seconds, in order; keep `report` at `path` up to date.

    report["checks"] becomes the outcomes. Models and jobs are in report["folder"], and
    report["rehearsal"] says what checks get. Checks are forked from this process, which saves the
    imports. If the first one fails in a way it does not know, a library may not bear that (CUDA
    does not, once it runs): then it is repeated in a new interpreter, and all others run in one.
    """
    report["forked"] = True
    deadline = time.monotonic() + seconds
    outcomes = {check.name: Outcome(check.name) for check in checks}

    def save() -> None:
        report["checks"] = [asdict(outcome) for outcome in outcomes.values()]
        write_json(path, report)

    save()
    for check in checks:
        outcome = outcomes[check.name]
        lacking = [name for name in check.needs if outcomes[name].verdict != "passed"]
        left = deadline - time.monotonic()
        if lacking:
            outcome.reason = f"It needs '{lacking[0]}', which has not passed."
        elif left < LEAST_SECONDS:
            outcome.reason = "No time was left."
        else:
            outcome.verdict, outcome.reason = (
                "cut off",
                "The run ended during this check.",
            )
            save()
            found = _run_apart(check, outcome, report, log, min(check.limit, left))
            if check is checks[0] and outcome.verdict == "failed" and not found:
                report["forked"], report["firstFailure"] = False, outcome.reason
                _run_apart(check, outcome, report, log, check.limit)
        save()
        note = f"   {outcome.reason}" if outcome.reason else ""
        print(
            f"{outcome.verdict:11} {check.name} ({outcome.seconds:.1f} s){note}",
            flush=True,
        )


def _run_apart(
    check: Check, outcome: Outcome, report: Mapping[str, Any], log: TextIO, limit: float
) -> bool:
    """Run a check in its own process; return whether it is the check that found a fault."""
    shared = Path(report["folder"])
    figures, failure = shared / FIGURES, shared / "failure.json"
    for path in (figures, failure):
        path.unlink(missing_ok=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=shared, ignore_cleanup_errors=True) as folder:
        child = os.fork()
        if child == 0:
            _become_group(0)
            for stream in (1, 2):
                os.dup2(log.fileno(), stream)
            sys.stdout = sys.stderr = log
            if not report["forked"]:
                _start_again(check, shared, folder, report["rehearsal"], failure)
            _run_here(
                check,
                Bench(shared, Path(folder), rehearsal=report["rehearsal"]),
                failure,
            )
        _become_group(child)
        status = _wait(child, limit)
    outcome.seconds = round(time.monotonic() - began, 2)
    if figures.exists():
        outcome.figures = json.loads(figures.read_text(encoding="utf-8"))
    if status is None:
        outcome.verdict, outcome.reason = (
            "out of time",
            f"It took more than {limit:.0f} s.",
        )
    elif failure.exists():
        found = json.loads(failure.read_text(encoding="utf-8"))
        outcome.verdict, outcome.reason = found["verdict"], found["reason"]
        return bool(found["expected"])
    elif status != 0:
        outcome.verdict, outcome.reason = (
            "failed",
            f"The process ended with {_ending(status)}.",
        )
    else:
        outcome.verdict, outcome.reason = "passed", ""
    return False


def _start_again(
    check: Check, shared: Path, folder: str, rehearsal: bool, failure: Path
) -> NoReturn:
    """Become a new interpreter that runs a check."""
    call = {"check": asdict(check), "paths": [str(shared), folder, str(failure)]}
    code = (
        "import sys; sys.path[:] = sys.argv[2:]; import gpu_watch; gpu_watch.run_call()"
    )
    arguments = [json.dumps({**call, "rehearsal": rehearsal}), *sys.path]
    os.execv(sys.executable, [sys.executable, "-c", code, *arguments])


def run_call() -> None:
    """Run the check that _start_again describes, and end the process."""
    call = json.loads(sys.argv[1])
    shared, folder, failure = map(Path, call["paths"])
    bench = Bench(shared, folder, rehearsal=call["rehearsal"])
    _run_here(Check(**call["check"]), bench, failure)


def _run_here(check: Check, bench: Bench, failure: Path) -> NoReturn:
    """Run a check in this process, and end it."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    print(f"\n=== {check.name}", flush=True)
    verdict, expected = None, True
    try:
        function = getattr(importlib.import_module(check.module), check.function)
        function(bench, *check.arguments)
    except NotThereError as error:
        verdict, reason = "not there", str(error)
    except FailedError as error:
        verdict, reason = "failed", str(error)
    except BaseException as error:
        traceback.print_exc()
        verdict, reason, expected = (
            "failed",
            f"{type(error).__name__}: {error}".strip(),
            False,
        )
    if verdict is not None:
        write_json(
            failure, {"verdict": verdict, "reason": reason, "expected": expected}
        )
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _become_group(process: int) -> None:
    """Make a process the head of a group, from inside and outside: whoever comes first."""
    try:
        os.setpgid(process, process)
    except (PermissionError, ProcessLookupError):
        return


def _wait(child: int, limit: float) -> int | None:
    """Wait for a process; return its status, or None if it had to be ended with its children."""
    descriptor = os.pidfd_open(child)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        ended = bool(poll.poll(limit * 1000))
        if not ended:
            _signal_group(child, signal.SIGTERM)
            poll.poll(GRACE_SECONDS * 1000)
        _signal_group(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        return status if ended else None
    except BaseException:
        _signal_group(child, signal.SIGKILL)
        raise
    finally:
        os.close(descriptor)


def _signal_group(head: int, number: int) -> None:
    try:
        os.killpg(head, number)
    except ProcessLookupError:
        return


def _ending(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file that is complete at any moment; figures that are no numbers become texts."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(
        json.dumps(_finite(content), indent=2) + "\n", encoding="utf-8"
    )
    temporary.rename(path)


def _finite(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return str(value) if isinstance(value, float) and value - value != 0 else value
