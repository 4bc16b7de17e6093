"""The device that training runs on, and when it must not run."""

import subprocess
import sys

import pytest
import torch
from conftest import TRAINER

from anneal_trainer import train
from anneal_trainer.errors import UnexpectedError
from anneal_trainer.model import device
from anneal_trainer.model.device import choose_device, describe_device


@pytest.fixture
def devices(tmp_path, monkeypatch):
    """A replacement for /dev of a machine whose torch has no driver."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    folder = tmp_path / "dev"
    folder.mkdir()
    (folder / "nvidiactl").touch()
    return folder


def test_a_card_that_torch_cannot_use_is_an_error_and_not_a_training_on_the_processor(devices):
    (devices / "nvidia0").touch()
    for environment in ({}, {"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "GPU-5e"}):
        with pytest.raises(UnexpectedError) as error:
            choose_device(environment, devices)
        assert error.value.retryable
        assert error.value.message == "This machine has a graphics card that torch cannot use."


@pytest.mark.parametrize("none", ["", "-1", " "])
def test_an_operator_who_hides_the_cards_wants_the_processor(devices, none):
    (devices / "nvidia0").touch()
    assert choose_device({"CUDA_VISIBLE_DEVICES": none}, devices).type == "cpu"


def test_a_machine_without_cards_trains_on_its_processor(devices):
    assert choose_device({}, devices).type == "cpu"


def test_a_card_that_torch_can_use_is_used(devices, monkeypatch):
    (devices / "nvidia0").touch()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device({}, devices).type == "cuda"


def test_a_job_on_such_a_machine_ends_with_an_error_that_may_pass(make_job, monkeypatch):
    def no_driver():
        raise UnexpectedError("This machine has a graphics card that torch cannot use.", "Check.")

    monkeypatch.setattr(train, "choose_device", no_driver)
    job = make_job()
    assert job.run() == 1
    assert job.result["retryable"]
    assert not (job.work / "out").exists()


def test_the_module_tells_the_device_of_this_machine():
    command = [sys.executable, "-m", "anneal_trainer.model.device"]
    ended = subprocess.run(command, cwd=TRAINER, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert device.VISIBLE_DEVICES not in ended.stdout
    assert ended.stdout.startswith('{"device": "')


def test_the_device_is_described_by_the_names_of_its_cards(monkeypatch):
    cards = ["NVIDIA H200", "NVIDIA L4", "NVIDIA H200"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(cards))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda card: cards[card])
    assert describe_device(torch.device("cuda")) == "2x NVIDIA H200, NVIDIA L4"
    assert describe_device(torch.device("cpu")) == "CPU"
