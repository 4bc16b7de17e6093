"""The report of the training benchmark, and when it refuses to print ratios."""

import argparse
import math
import os
import statistics
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from train_workspace import SIZES

ARMS = ("stock", "tuned", "ours")
LARGEST_SPREAD = 0.2
LARGEST_LOSS_DIFFERENCE = 0.02
"""Maximum relative difference between the final losses of two arms, which shuffle differently."""
PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}
"""Dense bfloat16 operations per second, by a part of the GPU's name."""


def summarize(
    options: argparse.Namespace,
    parity: dict[str, Any],
    runs: dict[str, list[dict[str, Any]]],
) -> dict[str, Any]:
    """Combine everything in one document; ratios are null if `refused` has a reason."""
    gates = list(parity["gates"])
    arms = {arm: summarize_arm(runs[arm]) for arm in ARMS if runs[arm]}
    if arms:
        losses = [arm["loss"] for arm in arms.values()]
        difference = (max(losses) - min(losses)) / min(losses)
        if any(map(math.isnan, losses)):
            difference = math.nan
        gates.append(gate("equal final loss", difference, LARGEST_LOSS_DIFFERENCE))
    spread = max((arm["spread"] for arm in arms.values()), default=None)
    refused = [
        f"The gate '{one['name']}' failed." for one in gates if not one["passed"]
    ]
    if spread is not None and spread > LARGEST_SPREAD:
        refused.append(
            f"The runs of an arm differ by {spread:.0%}, more than {LARGEST_SPREAD:.0%}: "
            "repeat on an idle machine."
        )
    speeds = {name: arm["tokensPerSecond"] for name, arm in arms.items()}
    share = peak_share(options, parity, speeds["ours"]) if arms else None
    return {
        "ratioStock": None if refused else speeds["ours"] / speeds["stock"],
        "ratioTuned": None if refused else speeds["ours"] / speeds["tuned"],
        "spread": spread,
        "refused": refused,
        "gates": gates,
        "arms": arms,
        "peakShare": share,
        "rows": parity["rows"],
        "environment": environment(options, parity),
    }


def summarize_arm(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Summarize the runs of an arm by their medians, and the spread of their speeds."""
    speeds = [run["tokensPerSecond"] for run in runs]
    median = statistics.median(speeds)
    keys = ("tokensPerProcessorSecond", "peakBytes", "loss")
    return {
        "tokensPerSecond": median,
        "spread": (max(speeds) - min(speeds)) / median,
        **{key: statistics.median(run[key] for run in runs) for key in keys},
        "runs": list(runs),
    }


def gate(name: str, difference: float, limit: float) -> dict[str, Any]:
    """Describe a difference that has to be small, like train_gates.py."""
    passed = difference <= limit
    return {"name": name, "difference": difference, "limit": limit, "passed": passed}


def peak_share(
    options: argparse.Namespace, parity: dict[str, Any], speed: float
) -> float | None:
    """Operations that the model needs, as a share of the GPU's peak; None on a CPU.

    A weight takes 6 operations per token, 4 if it is frozen; the vocabulary counts only at label
    tokens. Causal attention takes 6 times layers, width and squared length of a row.
    """
    peaks: list[float] = [
        peak for name, peak in PEAK_FLOPS.items() if name in parity["device"]
    ]
    if not peaks:
        return None
    size, rows = SIZES[options.size], parity["rows"]
    head = size.hidden * size.vocabulary
    body = parity["weights"] - (head if size.tied else 2 * head)
    weights = body * rows["tokens"] + head * rows["labelTokens"]
    attention = 6 * size.layers * size.hidden * rows["squaredLengths"]
    operations = (4 if options.lora else 6) * weights + attention
    share: float = operations / rows["tokens"] * speed / peaks[0]
    return share


def environment(options: argparse.Namespace, parity: dict[str, Any]) -> dict[str, Any]:
    """Describe the machine and the settings."""
    return {
        "device": parity["device"],
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "size": options.size,
        "lora": options.lora,
        "batchSize": options.batch_size,
        "rounds": options.rounds,
        "data": options.data.name if options.data else "generated",
        **{name: version(name) for name in ("torch", "transformers", "peft")},
    }


def as_text(report: dict[str, Any]) -> str:
    """Format the report for people."""
    lines = ["", "gate                   difference      limit"]
    for one in report["gates"]:
        mark = "" if one["passed"] else "   FAILED"
        lines.append(
            f"{one['name']:20} {one['difference']:12.2e} {one['limit']:10.0e}{mark}"
        )
    lines += [
        "",
        "arm      tokens/s   spread         tokens/CPU second   peak memory   final loss",
    ]
    for name, arm in report["arms"].items():
        lines.append(
            f"{name:6} {arm['tokensPerSecond']:10,.0f} {arm['spread']:8.0%} "
            f"{arm['tokensPerProcessorSecond']:25,.0f} {arm['peakBytes'] / 1e6:10,.0f} MB "
            f"{arm['loss']:12.4f}"
        )
    if report["peakShare"] is not None:
        lines += ["", f"ours uses {report['peakShare']:.0%} of the GPU's peak"]
    if report["refused"]:
        return "\n".join([*lines, "", "No ratio:", *report["refused"]])
    ratios = f"{report['ratioStock']:.2f} x stock, {report['ratioTuned']:.2f} x tuned"
    return "\n".join([*lines, "", f"ours is {ratios}"])
