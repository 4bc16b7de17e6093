"""The trainer's speed compared with the Trainer of transformers, with defaults and tuned.

  npm run bench:train                            generated rows, the tiny model
  npm run bench:train -- --data gsm8k.jsonl      rows of your own, with prompt and completion
  npm run bench:train -- --size small --json     a larger model, one JSON document
  npm run bench:train -- --size 1.5b --lora      shapes of Qwen2-1.5B, on a GPU only

Each run of an arm is a separate process, and the arms take turns, so that other load on the machine
affects all of them. A ratio is only printed if packed and padded training give the same results,
all arms reach the same loss, and the runs of an arm do not differ by more than 20 %.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from train_report import ARMS, as_text, summarize
from train_workspace import SIZES, prepare


def main() -> int:
    """Measure and report; return the exit code."""
    options = parse_arguments()
    settings = {"batch_size": options.batch_size, "lora": options.lora}
    if options.length:
        settings["max_seq_length"] = options.length
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "job"
        prepare(workspace, options.size, options.data, settings)
        parity = measure_gates(workspace)
        runs: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
        if all(one["passed"] for one in parity["gates"]):
            for number in range(options.rounds):
                for arm in ARMS:
                    runs[arm].append(
                        measure(arm, workspace, Path(folder) / f"{arm}-{number}")
                    )
                    note(arm, runs[arm][-1])
    report = summarize(options, parity, runs)
    print(json.dumps(report, indent=2) if options.json else as_text(report))
    return 1 if report["refused"] else 0


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="bench:train", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--data", type=Path, help="JSONL rows (default: generated ones)"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="runs of each arm (default 5)"
    )
    parser.add_argument(
        "--size", choices=SIZES, default="tiny", help="model (default tiny)"
    )
    parser.add_argument(
        "--lora", action="store_true", help="train an adapter, not all weights"
    )
    parser.add_argument("--length", type=int, help="tokens kept of a row")
    parser.add_argument(
        "--batch-size", type=int, default=8, help="rows a step (default 8)"
    )
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error("One round has no spread: --rounds must be at least 2.")
    if options.size in ("1.5b", "7b") and not has_gpu():
        parser.error(
            f"--size {options.size} needs a GPU, but there is none: choose tiny or small."
        )
    return options


def has_gpu() -> bool:
    """Return whether torch finds a GPU."""
    import torch

    return torch.cuda.is_available()


def measure_gates(workspace: Path) -> dict[str, Any]:
    """Run train_gates.py, in its own process so that no arm inherits its memory."""
    return run_script("train_gates.py", workspace)


def measure(arm: str, workspace: Path, place: Path) -> dict[str, Any]:
    """Run an arm once, in a separate job directory that shares rows and start model."""
    place.mkdir()
    for name in ("model", "data", "job.json"):
        (place / name).symlink_to(workspace / name)
    return run_script("train_arms.py", arm, place)


def run_script(name: str, *arguments: object) -> dict[str, Any]:
    """Run a script in this folder and read the JSON in the last line that it prints."""
    command = [
        sys.executable,
        str(Path(__file__).with_name(name)),
        *map(str, arguments),
    ]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"{run.stderr}\n{name} failed; its errors are above.")
    figures: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return figures


def note(arm: str, run: dict[str, Any]) -> None:
    """Print the figures of one run to stderr."""
    speed, loss = run["tokensPerSecond"], run["loss"]
    print(f"{arm:6} {speed:10,.0f} tokens/s   loss {loss:.4f}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
