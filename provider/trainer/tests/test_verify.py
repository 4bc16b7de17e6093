"""Receipts run again: honest ones are equal, others are reported with the first difference."""

import json
import shutil

import pytest
from conftest import JobDirectory, write_job

from anneal_trainer import verify
from anneal_trainer.receipt import first_link, next_link

HP = {"n_epochs": 3, "n_checkpoints": 3, "learning_rate": 1e-3, "batch_size": 4, "seed": 5}


@pytest.fixture(scope="module")
def original(models, tmp_path_factory):
    job = write_job(tmp_path_factory.mktemp("verify") / "job", models, hp=HP)
    assert job.run() == 0
    return job.path


@pytest.fixture
def trained(original, tmp_path):
    """A finished job for this test."""
    shutil.copytree(original, tmp_path / "job", symlinks=True)
    return JobDirectory(tmp_path / "job")


def receipt_of(job):
    return json.loads((job.work / "out/receipt.json").read_text())


def run(job, *arguments, receipt=None):
    path = job.work / "out/receipt.json"
    if receipt is not None:
        path = job.path / "claim.json"
        path.write_text(json.dumps(receipt))
    return verify.main(["--receipt", str(path), "--job-dir", str(job.path), *map(str, arguments)])


def forged_at(job, step):
    """A consistent receipt of a training run with a different loss at one step."""
    receipt = receipt_of(job)
    links = [first_link(receipt["identity"])]
    for event in job.events("progress"):
        loss = event["loss"] + (event["step"] == step) * 1e-6
        links.append(next_link(links[-1], event["step"], loss, event["grad_norm"], event["lr"]))
    receipt["chain"] |= {"links": links, "head": links[-1]}
    return receipt


def change_job(job, **settings):
    document = json.loads((job.path / "job.json").read_text())
    document["hyperparameters"] |= settings
    (job.path / "job.json").write_text(json.dumps(document))


def test_an_honest_receipt_is_equal_and_the_job_directory_stays_as_it_was(trained, capsys):
    before = {path: path.stat().st_mtime_ns for path in trained.path.rglob("*")}
    assert run(trained) == 0
    assert capsys.readouterr().out == (
        "Equal: all links from step 0 to step 12 of 12 are the receipt's.\n"
    )
    assert {path: path.stat().st_mtime_ns for path in trained.path.rglob("*")} == before


@pytest.mark.parametrize("interval", [(0, 3), (4, 8), (8, 12), (4, 12)])
def test_any_interval_from_a_kept_checkpoint_is_equal(trained, capsys, interval):
    first, last = interval
    assert run(trained, "--from-step", first, "--to-step", last) == 0
    assert f"from step {first} to step {last} of 12" in capsys.readouterr().out


@pytest.mark.parametrize("step", [1, 7, 12])
def test_the_first_step_that_differs_is_named(trained, capsys, step):
    assert run(trained, receipt=forged_at(trained, step)) == 1
    told = capsys.readouterr().out
    assert f"Step {step} is the first that differs" in told


def test_an_interval_finds_only_what_lies_in_it(trained, capsys):
    forged = forged_at(trained, 7)
    assert run(trained, "--to-step", 6, receipt=forged) == 0
    assert run(trained, "--to-step", 7, receipt=forged) == 1
    # The checkpoint after the forged step contains the true chain.
    capsys.readouterr()
    assert run(trained, "--from-step", 8, receipt=forged) == 1
    assert capsys.readouterr().out == "The checkpoint's own chain differs at step 7.\n"


def test_figures_beside_the_receipt_must_lead_along_its_chain(trained, capsys):
    path = trained.work / "out/metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    next(row for row in rows if (row["step"], row["type"]) == (5, "progress"))["loss"] /= 2
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(trained) == 1
    assert capsys.readouterr().out == "metrics.jsonl differs from the receipt's chain at step 5.\n"


def test_changed_outputs_and_checkpoints_are_told(trained, capsys):
    other = receipt_of(trained)
    other["output_sha256"] = "00" * 32
    assert run(trained, receipt=other) == 1
    assert "files in out/ differ" in capsys.readouterr().out
    other = receipt_of(trained)
    other["checkpoints"][1]["hash"] = "00" * 32
    assert run(trained, receipt=other) == 1
    assert capsys.readouterr().out == "The checkpoint of step 8 differs.\n"


def swap_dataset(job):
    path = job.path / "data/train.jsonl"
    path.write_text(path.read_text().replace("2 + 3 = 5", "2 + 3 = 6"))


def swap_model(job):
    model = job.path / "model"
    source = model.resolve()
    model.unlink()
    shutil.copytree(source, model)
    weights = bytearray((model / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (model / "model.safetensors").write_bytes(weights)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (swap_dataset, "train_sha256 is "),
        (swap_model, "base_model_sha256 is "),
        (lambda job: change_job(job, seed=7), "hyperparameters.seed is 7 here, 5 in the receipt."),
        (lambda job: change_job(job, lora=True), "hyperparameters.lora is true here"),
    ],
)
def test_other_inputs_are_named_before_anything_is_trained(trained, capsys, change, named):
    change(trained)
    assert run(trained) == 3
    assert capsys.readouterr().err.startswith(named)


def test_another_machine_is_mentioned_and_tried(trained, capsys):
    other = receipt_of(trained)
    other["environment"]["torch"] = "0.1"
    other["code_sha256"] = "00" * 32
    assert run(trained, receipt=other) == 0
    told = capsys.readouterr().out
    assert "Note: The version of the trainer's code differs" in told
    assert "Note: environment.torch is " in told


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda r: r["chain"]["links"].pop(), "number of steps"),
        (lambda r: r["chain"].update(head="00" * 32), "head"),
        (lambda r: r["inputs"].update(train_sha256="00" * 32), "identity"),
        (lambda r: r.update(seed=9), "seed"),
        (lambda r: r.pop("batch_size"), "not a receipt"),
        (lambda r: r["environment"].update(device="NVIDIA"), "not deterministic"),
        (lambda r: r["environment"].update(ranks=2), "used 2 devices"),
    ],
)
def test_a_receipt_that_cannot_be_used_is_refused(trained, capsys, change, problem):
    receipt = receipt_of(trained)
    change(receipt)
    assert run(trained, receipt=receipt) == 2
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "exit_code", "problem"),
    [
        (("--from-step", 5), 2, "no checkpoint of step 5.\nStart at 0 or 4 or 8 or 12."),
        (("--from-step", 8, "--to-step", 8), 2, "no interval from step 8 to step 8 in 12"),
        (("--to-step", 13), 2, "no interval"),
    ],
)
def test_an_interval_that_does_not_exist_is_refused(trained, capsys, arguments, exit_code, problem):
    assert run(trained, *arguments) == exit_code
    assert problem in capsys.readouterr().err


def test_a_checkpoint_that_is_missing_or_changed_is_refused(trained, capsys):
    (trained.work / "checkpoints/step-4/state.json").write_text("{}")
    shutil.rmtree(trained.work / "checkpoints/step-8")
    assert run(trained, "--from-step", 4) == 3
    assert "step-4 is not the checkpoint of the receipt" in capsys.readouterr().err
    assert run(trained, "--from-step", 8) == 3
    assert "step-8 does not exist" in capsys.readouterr().err
