"""The checks for a machine with a GPU: what is left of any run, and a rehearsal on the CPU."""

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import HANGS_AFTER

BENCH = Path(__file__).parents[3] / "scripts/bench"

CHECKS = """
import os, signal, subprocess, sys, time
import gpu_watch

def passes(bench):
    (bench.shared / "left").write_text("for others")
    (bench.folder / "mine").write_text("deleted")
    bench.note(loss=float("nan"), rows=3)

def reads(bench):
    assert (bench.shared / "left").exists() and not list(bench.folder.iterdir())

def raises(bench):
    bench.note(rows=4)
    raise ValueError("no such thing")

def finds(bench):
    raise gpu_watch.FailedError("Losses differ.")

def lacks(bench):
    raise gpu_watch.NotThereError("There is no such module.")

def crashes(bench):
    os.kill(os.getpid(), signal.SIGKILL)

def hangs(bench):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    bench.note(child=child.pid)
    if "PIPE" in os.environ:
        os.write(int(os.environ["PIPE"]), b"%d\\n" % child.pid)
    time.sleep(1000)

def needs_a_new_process(bench):
    assert "pytest" not in sys.modules, "forked"
"""


@pytest.fixture
def watch(tmp_path, monkeypatch):
    """The module that supervises checks, and `fake`, a module of checks."""
    monkeypatch.syspath_prepend(str(BENCH))
    place = tmp_path / "fake"
    place.mkdir()
    (place / "fake.py").write_text(CHECKS)
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.delitem(sys.modules, "fake", raising=False)
    module = importlib.import_module("gpu_watch")
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.2)
    return module


@pytest.fixture
def supervise(watch, tmp_path):
    def run(*checks, seconds=HANGS_AFTER):
        report = {"folder": str(tmp_path), "rehearsal": True}
        with (tmp_path / "log").open("w") as log:
            watch.supervise(checks, report, tmp_path / "gpu.json", log, seconds)
        written = json.loads((tmp_path / "gpu.json").read_text())
        return {one["name"]: one for one in written["checks"]}, written

    return run


def test_every_check_has_a_verdict_whatever_happens_in_it(watch, supervise, tmp_path):
    names = ("passes", "reads", "raises", "finds", "lacks", "crashes")
    checks = [watch.Check(name, HANGS_AFTER, "fake", name) for name in names]
    checks += [
        watch.Check("after raises", HANGS_AFTER, "fake", "passes", needs=("passes", "raises")),
        watch.Check("after passes", HANGS_AFTER, "fake", "passes", needs=("passes",)),
        watch.Check("unknown", HANGS_AFTER, "no_module", "passes"),
    ]
    outcomes, _ = supervise(*checks)
    assert {name: (one["verdict"], one["reason"]) for name, one in outcomes.items()} == {
        "passes": ("passed", ""),
        "reads": ("passed", ""),
        "raises": ("failed", "ValueError: no such thing"),
        "finds": ("failed", "Losses differ."),
        "lacks": ("not there", "There is no such module."),
        "crashes": ("failed", "The process ended with signal SIGKILL."),
        "after raises": ("not run", "It needs 'raises', which has not passed."),
        "after passes": ("passed", ""),
        "unknown": ("failed", "ModuleNotFoundError: No module named 'no_module'"),
    }
    assert outcomes["passes"]["figures"] == {"loss": "nan", "rows": 3}
    assert outcomes["raises"]["figures"] == {"rows": 4}
    assert outcomes["crashes"]["figures"] == {}
    log = (tmp_path / "log").read_text()
    assert "=== passes" in log
    assert 'raise ValueError("no such thing")' in log


def test_a_check_without_end_is_ended_with_its_processes_and_the_next_one_runs(watch, supervise):
    outcomes, _ = supervise(
        watch.Check("hangs", 1, "fake", "hangs"), watch.Check("next", HANGS_AFTER, "fake", "passes")
    )
    assert outcomes["hangs"]["verdict"] == "out of time"
    assert outcomes["hangs"]["reason"] == "It took more than 1 s."
    assert outcomes["next"]["verdict"] == "passed"
    assert _is_gone(outcomes["hangs"]["figures"]["child"])


def test_without_time_the_remaining_checks_are_not_run(watch, supervise):
    outcomes, _ = supervise(
        watch.Check("hangs", HANGS_AFTER, "fake", "hangs"),
        watch.Check("next", HANGS_AFTER, "fake", "passes"),
        seconds=watch.LEAST_SECONDS + 0.5,
    )
    assert [one["verdict"] for one in outcomes.values()] == ["out of time", "not run"]
    assert outcomes["next"]["reason"] == "No time was left."


def test_checks_that_bear_no_fork_run_in_interpreters_of_their_own(watch, supervise):
    outcomes, report = supervise(
        watch.Check("first", HANGS_AFTER, "fake", "needs_a_new_process"),
        watch.Check("second", HANGS_AFTER, "fake", "needs_a_new_process"),
        watch.Check("third", HANGS_AFTER, "fake", "lacks"),
    )
    assert [one["verdict"] for one in outcomes.values()] == ["passed", "passed", "not there"]
    assert not report["forked"]
    assert "forked" in report["firstFailure"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_cut_off_leaves_a_whole_report(watch, tmp_path, number):
    code = f"""
import sys; sys.path[:0] = {[str(BENCH), str(tmp_path / "fake")]!r}
import gpu, gpu_watch
gpu.import_early = lambda log: None
gpu.CHECKS = tuple(gpu_watch.Check(n, 1000, "fake", n) for n in ("passes", "hangs", "raises"))
sys.exit(gpu.main(["--rehearse", "--out", {str(tmp_path)!r}]))
"""
    ours, theirs = os.pipe()
    run = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PIPE": str(theirs)},
        pass_fds=[theirs],
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        # Has a line as soon as the check hangs, and ends if it never does.
        child = int(pipe.readline())
    run.send_signal(number)
    run.communicate(timeout=HANGS_AFTER)
    checks = json.loads((tmp_path / "gpu.json").read_text())["checks"]
    assert [one["verdict"] for one in checks] == ["passed", "cut off", "not run"]
    if number == signal.SIGTERM:
        assert _is_gone(child)
    else:
        os.killpg(os.getpgid(child), signal.SIGKILL)


@pytest.mark.deep
def test_a_rehearsal_runs_the_checks_with_tiny_models(tmp_path):
    """Those that take longest are left to a rehearsal of all: `npm run bench:gpu -- --rehearse`."""
    cell = "1.5b full 2048"
    names = [
        *("packed equals padded", "frozen weights in 16 bits", "activations computed again"),
        "memory estimate",
        *(f"{cell}: {arm}" for arm in ("ours", "tuned", "stock")),
    ]
    only = [argument for name in names for argument in ("--only", name)]
    run = subprocess.run(
        [BENCH / "gpu.sh", "--rehearse", "--out", tmp_path, *only],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    report = json.loads((tmp_path / "gpu.json").read_text())
    checks = {one["name"]: one for one in report["checks"]}
    assert checks.keys() == {"machine", "prepare 1.5b", *names}
    bad = {
        name: (one["verdict"], one["reason"])
        for name, one in checks.items()
        if one["verdict"] != "passed"
    }
    assert not bad, (tmp_path / "gpu.log").read_text()
    assert run.returncode == 0, run.stderr
    assert checks["machine"]["figures"]["packages"]["torch"]
    ours, tuned, stock = (checks[f"{cell}: {arm}"]["figures"] for arm in ("ours", "tuned", "stock"))
    assert ours["rows"] == tuned["rows"] == stock["rows"]
    assert ours["loss"] == pytest.approx(stock["loss"], rel=1e-2)
    assert ours["estimatedBytes"] > 0
    # Ordered like the whole list, most important first.
    assert list(checks)[:3] == ["machine", "packed equals padded", "frozen weights in 16 bits"]


def test_without_a_gpu_only_the_reason_is_left(tmp_path):
    run = subprocess.run(
        [BENCH / "gpu.sh", "--out", tmp_path],
        env={**os.environ, "PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    first, *others = json.loads((tmp_path / "gpu.json").read_text())["checks"]
    assert first["reason"].startswith("There is no GPU: run it on a machine with one")
    assert {one["verdict"] for one in others} == {"not run"}
    assert len(others) > 20


@pytest.mark.deep
def test_the_sizing_page_has_the_estimates_of_the_trainer():
    """Of its smallest model; the page is written by `scripts/bench/gpu_sizing.py`."""
    code = """
import json, gpu_sizing
line = gpu_sizing.row("Qwen2.5 0.5B", lora=True)
print(json.dumps([line, gpu_sizing.INTRODUCTION, list(gpu_sizing.MODELS)]))
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(BENCH)},
        capture_output=True,
        text=True,
        check=True,
    )
    line, introduction, models = json.loads(run.stdout.splitlines()[-1])
    page = (BENCH.parents[1] / "docs/sizing.md").read_text()
    assert page.startswith(introduction)
    assert line in page.splitlines()
    rows = [cells.split(" | ") for cells in page.splitlines() if cells.startswith("| ")]
    assert [name for name, *_ in rows[1:]] == [f"| {name}" for name in models for _ in range(2)]


def _is_gone(process):
    """Return whether a process has ended; whoever adopts orphans may still have to notice."""
    stat = Path(f"/proc/{process}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
