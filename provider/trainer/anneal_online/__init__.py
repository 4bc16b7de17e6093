"""What the daemon does for a training on the network: hub repositories and trackers.

Apart from `anneal_trainer` on purpose: the training itself opens no connection.
"""
