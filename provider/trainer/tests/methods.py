"""`npm run test:methods`: for every method, the losses of all steps are those of TRL's trainers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import HANGS_AFTER, TRAINER

from anneal_trainer.data.order import row_order

RIVALS = TRAINER.parent.parent / "scripts/rivals/trainers"
TOLERANCE = 1e-4
STEPS = 50
BATCH = 4
SEED = 42
RATE = 3e-4
PAIRS = [
    {
        "prompt": f"What is {a} + {b}?\n",
        "chosen": f"It is {a + b}" + ", of course" * (b % 2) + ".",
        "rejected": "I do not know" + " at all" * (a % 3) + ".",
    }
    for a in range(2, 22)
    for b in range(2, 12)
]
LABELLED = [
    {"prompt": row["prompt"], "completion": row[answer], "label": answer == "chosen"}
    for number, row in enumerate(PAIRS)
    for answer in [("chosen", "rejected", "chosen")[number % 3]]
]
UNPAIRED = [
    {"prompt": row["prompt"], "completion": row[answer], "label": answer == "chosen"}
    for row in PAIRS[: len(PAIRS) // 2]
    for answer in ("chosen", "rejected")
]
PLAIN = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in PAIRS]

# Ours, then TRL's: trainer, settings, rows if they are other ones.
METHODS = {
    "sft": ({"packing": False}, PLAIN, "sft", {"completion_only_loss": True}, PLAIN),
    "dpo": ({"dpo_beta": 0.2}, PAIRS, "dpo", {"beta": 0.2}, PAIRS),
    "dpo, padded": ({"packing": False}, PAIRS, "dpo", {"beta": 0.1}, PAIRS),
    # TRL has label smoothing as a part of "robust" only; with 0.1, this sum is that of its authors.
    "dpo, smoothed": (
        {"dpo_label_smoothing": 0.1},
        PAIRS,
        "dpo",
        {"loss_type": ["sigmoid", "robust"], "loss_weights": [1.8, -0.8], "label_smoothing": 0.1},
        PAIRS,
    ),
    "dpo by length, with likelihood": (
        {"dpo_normalize_logratios_by_length": True, "rpo_alpha": 0.5},
        PAIRS,
        "dpo",
        {"loss_type": ["sigmoid_norm", "sft"], "loss_weights": [1.0, 0.5]},
        PAIRS,
    ),
    "simpo": (
        {"training_method": "simpo", "simpo_gamma": 0.7},
        PAIRS,
        "cpo",
        {"loss_type": "simpo", "cpo_alpha": 0.0, "beta": 2.0, "simpo_gamma": 0.7},
        PAIRS,
    ),
    "orpo": (
        {"training_method": "orpo", "orpo_lambda": 0.3, "train_on_inputs": True},
        PAIRS,
        "orpo",
        {"beta": 0.3},
        PAIRS,
    ),
    "kto": (
        {"kto_desirable_weight": 0.8, "kto_undesirable_weight": 1.5},
        LABELLED,
        "kto",
        {"desirable_weight": 0.8, "undesirable_weight": 1.5},
        LABELLED,
    ),
    "kto of pairs": (
        {"training_method": "kto", "dpo_beta": 0.3},
        PAIRS[: len(PAIRS) // 2],
        "kto",
        {"beta": 0.3},
        UNPAIRED,
    ),
}


def training(parameters):
    return {"n_epochs": 1, "learning_rate": RATE, "batch_size": BATCH, "seed": SEED, **parameters}


@pytest.fixture(scope="module")
def theirs(models):
    """The losses of TRL's trainers, which see the rows in the order of our pass."""
    if not (RIVALS / "trl").is_dir():
        pytest.skip("TRL is not installed: npm run setup -- --trainers installs it")
    runs = {
        name: {
            "trainer": trainer,
            "config": {"learning_rate": RATE, **config},
            "rows": [rows[number] for number in row_order(len(rows), SEED)],
            "steps": STEPS,
            "batch": BATCH,
        }
        for name, (_, _, trainer, config, rows) in METHODS.items()
    }
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("trl_losses.py"), models / "tiny-qwen2"],
        env={**os.environ, "PYTHONPATH": str(RIVALS)}, input=json.dumps(runs),
        capture_output=True, text=True, timeout=HANGS_AFTER, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", METHODS)
def test_the_losses_of_all_steps_are_those_of_trl(make_job, theirs, name):
    parameters, rows, *_ = METHODS[name]
    job = make_job(rows=rows, hp=training(parameters))
    assert job.run() == 0
    ours = [event["loss"] for event in job.events("progress")]
    assert len(ours) == len(theirs[name]) == STEPS
    apart = max(abs(one - other) for one, other in zip(ours, theirs[name], strict=True))
    assert apart <= TOLERANCE
    assert ours[-1] < ours[0] - 100 * TOLERANCE
