"""Weights & Biases: the real client against a small server, over restarts and outages."""

import json
import os
import subprocess
import sys

import pytest
from conftest import HANGS_AFTER, TASK_ID, TRAINER
from fake_tracker import KEY, FakeTracker

STARTED = {"type": "started", "parameters": {"n_epochs": 2}, "dataset": {"rows": 8}}


@pytest.fixture
def tracker():
    server = FakeTracker()
    yield server
    server.close()


def progress(step):
    return {"type": "progress", "step": step, "loss": 1 / step, "lr": 1e-3, "epoch": step / 4}


def evaluation(step):
    return {"type": "eval", "step": step, "on": "validation", "loss": 0.5, "accuracy": 0.75}


class Tracking:
    """A tracker's process with a journal, as the daemon runs it."""

    def __init__(self, path, url, key):
        self.journal, self.offline, self.home = path / "events.jsonl", path / "wandb", path / "home"
        self.home.mkdir(exist_ok=True)
        command = [
            sys.executable, "-m", "anneal_online.track", "--events", self.journal, "--run", TASK_ID,
            "--project", "sums", "--name", "first try", "--base-url", url,
            "--offline", self.offline,
        ]  # fmt: skip
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home),
                       "PYTHONPATH": str(TRAINER), "NO_PROXY": "*"}  # fmt: skip
        self.process = subprocess.Popen(
            [str(part) for part in command], env=environment, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.process.stdin.write(json.dumps({"wandb_api_key": key} if key else {}) + "\n")
        self.process.stdin.flush()
        self.opened = json.loads(self.process.stdout.readline())

    def write(self, *events):
        with self.journal.open("a") as file:
            file.writelines(json.dumps(event) + "\n" for event in events)

    def end(self):
        out, err = self.process.communicate(timeout=HANGS_AFTER)
        assert self.process.returncode == 0, err
        assert KEY not in out + err
        return json.loads(out.splitlines()[-1])

    def kill(self):
        self.process.kill()
        self.process.communicate()


def test_every_figure_of_a_training_arrives_once_under_the_tasks_id(tracker, tmp_path):
    run = Tracking(tmp_path, tracker.url, KEY)
    assert run.opened == {"status": "online", "warning": None}
    run.write(STARTED, evaluation(0), progress(1), progress(2), evaluation(2), progress(3))
    # A restart of the trainer repeats steps.
    run.write(STARTED, progress(2), evaluation(2), progress(3), progress(4))
    assert run.end() == {"status": "online", "warning": None}
    points = tracker.runs[TASK_ID]
    assert sorted(points) == [0, 1, 2, 3, 4]
    assert points[2]["train/loss"] == 0.5
    assert points[2]["eval/validation/accuracy"] == 0.75
    assert sorted(step for _, step in tracker.lines) == [0, 1, 2, 3, 4]
    assert tracker.projects[TASK_ID] == "sums"
    assert tracker.names[TASK_ID] == "first try"
    assert tracker.configs[TASK_ID]["n_epochs"]["value"] == 2


def test_after_a_crash_the_run_goes_on_and_no_point_is_doubled(tracker, tmp_path):
    first = Tracking(tmp_path, tracker.url, KEY)
    first.write(STARTED, *(progress(step) for step in range(1, 6)))
    first.end()
    sent = len(tracker.lines)
    second = Tracking(tmp_path, tracker.url, KEY)
    second.write(*(progress(step) for step in range(4, 9)))
    assert second.end() == {"status": "online", "warning": None}
    assert list(tracker.runs) == [TASK_ID]
    assert sorted(tracker.runs[TASK_ID]) == list(range(1, 9))
    assert sorted(step for _, step in tracker.lines[sent:]) == [6, 7, 8]


@pytest.mark.parametrize("key", ["b" * 40, "short"])
def test_a_wrong_key_is_a_warning_and_nothing_is_kept(tracker, tmp_path, key):
    run = Tracking(tmp_path, tracker.url, key)
    expected = {"status": "refused", "warning": "Weights & Biases refuses the wandb_api_key."}
    assert run.opened == expected
    run.write(progress(1))
    assert run.end() == expected
    assert not tracker.runs
    assert not run.offline.exists()


def test_without_a_key_nothing_is_asked(tracker, tmp_path):
    run = Tracking(tmp_path, tracker.url, None)
    assert run.end()["warning"].startswith("There is no wandb_api_key")
    assert not tracker.keys


def test_a_server_that_stays_away_leaves_the_run_as_a_file(tmp_path):
    run = Tracking(tmp_path, "http://127.0.0.1:9", KEY)
    assert run.opened["status"] == "offline"
    run.write(STARTED, progress(1), progress(2))
    ended = run.end()
    assert ended == {
        "status": "offline",
        "warning": "Weights & Biases could not be reached; the run is kept as files.",
    }
    (file,) = run.offline.rglob("*.wandb")
    assert b"train/loss" in file.read_bytes()
    assert not any(KEY.encode() in path.read_bytes() for path in tmp_path.rglob("*")
                   if path.is_file())  # fmt: skip
