"""The package: its dependencies match the lock file."""

import re
import tomllib

import pytest
from conftest import TRAINER
from packaging.requirements import Requirement

PROJECT = tomllib.loads((TRAINER / "pyproject.toml").read_text())["project"]
LOCK = "".join((TRAINER / f"requirements{kind}.txt").read_text() for kind in ("", "-dev"))
PINS = {name.lower(): version for name, version in re.findall(r"^(\S+)==(\S+)$", LOCK, re.M)}
EXTRAS = PROJECT["optional-dependencies"]
LOCKED = [*PROJECT["dependencies"], *EXTRAS["online"], *EXTRAS["dev"]]


@pytest.mark.parametrize("text", LOCKED)
def test_the_lock_file_is_within_the_ranges_of_the_package(text):
    wanted = Requirement(text)
    assert wanted.specifier.contains(PINS[wanted.name.lower()])


def test_the_package_asks_for_all_that_the_lock_file_holds():
    assert {Requirement(text).name.lower() for text in LOCKED} == PINS.keys()
