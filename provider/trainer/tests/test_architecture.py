"""Allowed imports in the trainer: every import leads to a lower layer, or stays in its module."""

import ast
from graphlib import TopologicalSorter

import pytest
from conftest import TRAINER

# From top to bottom. Modules in one layer do not import each other.
LAYERS = [
    ["anneal_online"],
    ["anneal_trainer.verify"],
    ["anneal_trainer.__main__"],
    ["anneal_trainer.train"],
    [
        "anneal_trainer.batch_size",
        "anneal_trainer.count",
        "anneal_trainer.output",
        "anneal_trainer.receipt",
        "anneal_trainer.sample",
        "anneal_trainer.schedule",
        "anneal_trainer.tiny_models",
    ],
    ["anneal_trainer.loss"],
    ["anneal_trainer.data"],
    ["anneal_trainer.model"],
    ["anneal_trainer.job", "anneal_trainer.ranks"],
    ["anneal_trainer.launch"],
    ["anneal_trainer.errors", "anneal_trainer.events", "anneal_trainer.hashing"],
    ["anneal_trainer"],
]
PACKAGES = ("anneal_online", "anneal_trainer")


def name_of(path):
    parts = path.relative_to(TRAINER).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {name_of(path): path for package in PACKAGES for path in TRAINER.glob(f"{package}/**/*.py")}


def imports_of(path):
    """Modules that a file imports, also those that its functions import when they are called."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relative to itself"
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [name for name in below if name in PATHS]
            yield from modules or [node.module]


def place_of(module):
    """The innermost listed module that a module is in, and its layer."""
    places = [
        (group, layer)
        for layer, groups in enumerate(LAYERS)
        for group in groups
        if module == group or (module.startswith(f"{group}.") and group != "anneal_trainer")
    ]
    return max(places, key=lambda place: len(place[0]), default=None)


def test_every_module_has_a_layer_and_every_group_a_module():
    assert len(PATHS) > 40
    assert [name for name in PATHS if place_of(name) is None] == []
    groups = {group for groups in LAYERS for group in groups}
    assert groups == {place_of(name)[0] for name in PATHS}


@pytest.mark.parametrize("module", PATHS)
def test_no_import_goes_up_or_across(module):
    group, layer = place_of(module)
    reached = {name: place_of(name) for name in imports_of(PATHS[module]) if name in PATHS}
    wrong = [name for name, (to, below) in reached.items() if to != group and below <= layer]
    assert wrong == []


def test_no_imports_form_a_cycle():
    graph = {
        name: [other for other in imports_of(path) if other in PATHS]
        for name, path in PATHS.items()
    }
    assert len(list(TopologicalSorter(graph).static_order())) == len(PATHS)
