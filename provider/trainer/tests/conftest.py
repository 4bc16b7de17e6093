"""Tiny models made once, job directories made per test."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest

# Before torch is loaded: waiting threads sleep, and nothing connects to a hub.
os.environ.update(OMP_WAIT_POLICY="passive", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

from anneal_trainer import tiny_models
from anneal_trainer.__main__ import run
from anneal_trainer.data.encode import TextEncoder

# A shared machine may be slow at any moment, so the duration of an example must not fail a test.
hypothesis.settings.register_profile("steady", deadline=None)
hypothesis.settings.load_profile("steady")

TRAINER = Path(__file__).parent.parent
EXAMPLES = Path(__file__).parent / "examples"
HANGS_AFTER = 300
"""Seconds after which a process counts as hanging, long enough for a slow machine."""
TASK_ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"

TINY_MODELS = {
    "causal-lm": "tiny-qwen2",
    "text-classification": "tiny-distilbert",
    "image-classification": "tiny-mobilenet-v2",
}

SUMS = [
    {"prompt": f"What is {a} + {b}?\n", "completion": f"{a} + {b} = {a + b}"}
    for a in range(2, 6)
    for b in range(2, 6)
]
REVIEWS = [
    {"text": f"{word} movie number {n}", "label": label}
    for n in range(6)
    for word, label in (("great", "good"), ("awful", "bad"), ("funny", "good"), ("dull", "bad"))
]


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    directory = tmp_path_factory.mktemp("models")
    assert tiny_models.main([str(directory)]) == 0
    return directory


@pytest.fixture(scope="session")
def qwen2(models):
    return TextEncoder(models / "tiny-qwen2")


@pytest.fixture(scope="session")
def distilbert(models):
    return TextEncoder(models / "tiny-distilbert")


class JobDirectory:
    """A job directory as the daemon makes it, and its results."""

    def __init__(self, path):
        self.path = path

    @property
    def work(self):
        return self.path / "work"

    def run(self, is_stopped=lambda: False, recovery_seconds=60.0):
        return run(self.path, is_stopped, recovery_seconds)

    def start(self, *arguments, **variables):
        """Start the trainer like the daemon, as a separate process."""
        command = [sys.executable, "-m", "anneal_trainer", "--job-dir", str(self.path), *arguments]
        environment = {**os.environ, "PYTHONPATH": str(TRAINER), **variables}
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)

    def finish(self, *arguments, **variables):
        process = self.start(*arguments, **variables)
        _, errors = process.communicate(timeout=HANGS_AFTER)
        assert process.returncode == 0, errors
        return self

    def signal_when(self, process, number, condition, of=None):
        """Send a signal, to the process or the one with the id `of()`, when the journal is so."""
        while not condition(self):
            assert process.poll() is None, process.stderr.read()
            # Waits for the end of the process, so it returns early if the process ends.
            try:
                process.wait(0.005)
            except subprocess.TimeoutExpired:
                continue
        os.kill(of() if of else process.pid, number)
        _, errors = process.communicate(timeout=HANGS_AFTER)
        return process.returncode, errors

    @property
    def result(self):
        return json.loads((self.work / "result.json").read_text())

    def events(self, type_=None):
        path = self.work / "events.jsonl"
        if not path.exists():
            return []
        whole = path.read_text().rpartition("\n")[0]
        events = [json.loads(line) for line in whole.splitlines()]
        return [event for event in events if type_ in (None, event["type"])]

    def files(self, folder):
        """Return every file below a folder with its bytes."""
        root = self.work / folder
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def make_job(tmp_path, models):
    def make(name="job", **settings):
        return write_job(tmp_path / name, models, **settings)

    return make


def write_job(path, models, kind="causal-lm", rows=None, validation=None, model=None, **settings):
    """Write a job; rows are objects for a .jsonl file or the path of a dataset."""
    (path / "data").mkdir(parents=True)
    (path / "work").mkdir()
    model = model or TINY_MODELS[kind]
    (path / "model").symlink_to(models / model)
    default = SUMS if kind == "causal-lm" else REVIEWS
    job = {
        "version": 1,
        "task_id": TASK_ID,
        "kind": kind,
        "train": write_dataset(path, "train", rows if rows is not None else default),
        "validation": write_dataset(path, "validation", validation) if validation else None,
        "hyperparameters": settings.pop("hyperparameters", settings.pop("hp", {})),
        **settings,
    }
    (path / "job.json").write_text(json.dumps(job))
    return JobDirectory(path)


def write_dataset(path, name, rows):
    if isinstance(rows, Path):
        target = f"data/{name}{''.join(rows.suffixes)}"
        (path / target).write_bytes(rows.read_bytes())
    else:
        target = f"data/{name}.jsonl"
        (path / target).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return target


def after_step(step):
    return lambda job: any(event["step"] >= step for event in job.events("progress"))


SIGKILL, SIGTERM = signal.SIGKILL, signal.SIGTERM
