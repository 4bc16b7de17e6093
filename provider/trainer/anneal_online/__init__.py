"""The parts of a training run that need a network: hub repositories and trackers.

Separate from `anneal_trainer` on purpose: training itself opens no connection.
"""
