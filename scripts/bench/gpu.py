"""The trainer on one GPU: whether it is correct, how fast it is, and how much memory it takes.

`scripts/bench/gpu.sh` says how to run it. Checks are ordered by importance: a run that is cut off
has lost the least important ones. A second run may be limited to some with --only.
"""

import argparse
import importlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

# Asks the driver for GPUs without starting CUDA, which no process could use that is forked then.
os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"

from gpu_watch import Check, supervise
from train_report import ARMS

SECONDS = 525
"""For all checks; importing the libraries and ending take the rest of 9 minutes."""
MACHINE = ("machine",)


def cell(size: str, method: str, length: int, limit: float) -> list[Check]:
    """Make the checks of one model, method and length: each arm once, ours first."""
    name = f"{size} {method} {length}"
    needs = (*MACHINE, f"prepare {size}")
    arguments = (size, method == "lora", length)
    return [
        Check(f"{name}: {arm}", limit, "gpu_speed", "run_arm", (*arguments, arm), needs)
        for arm in reversed(ARMS)
    ]


def correct(name: str, function: str, limit: float) -> Check:
    """Make a check of correctness."""
    return Check(name, limit, "gpu_checks", function, needs=MACHINE)


def prepare(size: str, limit: float) -> Check:
    """Make the step that makes a model, with random weights, on the GPU."""
    return Check(
        f"prepare {size}", limit, "gpu_speed", "prepare_model", (size,), MACHINE
    )


CHECKS = (
    Check("machine", 60, "gpu_checks", "machine"),
    correct("packed equals padded", "packed", 45),
    correct("resumed run is bit-equal", "resume", 60),
    correct("repeated run is bit-equal", "determinism", 45),
    correct("frozen weights in 16 bits", "frozen_format", 30),
    correct("activations computed again", "checkpointing", 30),
    correct("out of memory", "out_of_memory", 45),
    correct("memory estimate", "memory_estimate", 45),
    prepare("1.5b", 45),
    *cell("1.5b", "lora", 2048, 45),
    *cell("1.5b", "full", 2048, 45),
    correct("compiled", "compiled", 75),
    correct("one rank", "one_rank", 60),
    prepare("7b", 90),
    *cell("7b", "lora", 2048, 100),
    *cell("1.5b", "lora", 4096, 45),
    *cell("1.5b", "full", 4096, 45),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks; return 0 if all passed, or what they are about is not there."""
    began = time.monotonic()
    options = parse_arguments(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = [
        check for check in CHECKS if not options.only or check.name in options.only
    ]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit("The run was ended."))
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        (options.out / "gpu.log").open("w", encoding="utf-8", buffering=1) as log,
    ):
        report: dict[str, Any] = {
            "rehearsal": options.rehearse,
            "folder": folder,
            "startedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        import_early(log)
        left = options.seconds - (time.monotonic() - began)
        supervise(chosen, report, options.out / "gpu.json", log, left)
        if not options.rehearse:
            text = as_text(report["checks"])
            print(text, file=log)
            print(text)
    bad = [
        one for one in report["checks"] if one["verdict"] not in ("passed", "not there")
    ]
    return 1 if bad else 0


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="gpu.sh", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, default=os.environ.get("OUT"), help="results' folder"
    )
    parser.add_argument("--rehearse", action="store_true", help="tiny models, on a CPU")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help=f"default {SECONDS}"
    )
    names = [check.name for check in CHECKS]
    parser.add_argument(
        "--only", action="append", choices=names, help="repeatable; with its needs"
    )
    options = parser.parse_args(arguments)
    if not options.out:
        parser.error("Name the folder for the results: --out FOLDER, or OUT=FOLDER.")
    options.out = Path(options.out)
    if options.only:
        needed = [
            need for one in CHECKS if one.name in options.only for need in one.needs
        ]
        options.only += needed
    if options.rehearse:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    return options


def import_early(log: TextIO) -> None:
    """Import once what all checks need; what fails here fails in the first check, with its reason.

    Nothing here should start CUDA or threads of torch: checks are forked from this process.
    """
    try:
        for name in ("gpu_checks", "gpu_speed"):
            importlib.import_module(name)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=log, flush=True)


def as_text(checks: Sequence[Mapping[str, Any]]) -> str:
    """Format the speeds for people: one line per model, method and length that was measured."""
    figures = {
        one["name"]: one["figures"] for one in checks if one["verdict"] == "passed"
    }
    lines = [
        "",
        "model, method, length   tokens/s   x stock   x tuned   of peak   memory   estimate",
    ]
    for name, ours in figures.items():
        place, _, arm = name.partition(": ")
        if arm != "ours":
            continue
        others = [figures.get(f"{place}: {other}") for other in ARMS if other != "ours"]
        ratios = [
            ours["tokensPerSecond"] / one["tokensPerSecond"] if one else None
            for one in others
        ]
        stock, tuned = (f"{ratio:.2f}" if ratio else "-" for ratio in ratios)
        share = ours["peakShare"]
        lines.append(
            f"{place:21} {ours['tokensPerSecond']:10,.0f} {stock:>9} {tuned:>9} "
            f"{f'{share:.0%}' if share else '-':>9} {ours['peakBytes'] / 1e9:5.1f} GB "
            f"{ours['estimatedBytes'] / 1e9:7.1f} GB"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
