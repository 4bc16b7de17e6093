"""Launching the ranks of a training run: one process of the trainer per device of this machine.

`torchrun` does the same on several machines: each process that it starts is a rank.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from anneal_trainer.errors import EXIT_UNEXPECTED

ADDRESS = "127.0.0.1"
"""Where ranks find each other. Not a name: a sandbox knows none."""
GRACE_SECONDS = 600
"""Maximum time from a signal to stop until ranks are killed; whoever sends it may wait less."""
SIGNALLED = 128
"""Added to the number of the signal that ended a process."""


def is_rank() -> bool:
    """Return whether this process was started as one rank of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def is_first() -> bool:
    """Return whether this process reports and saves: the only one, or rank 0."""
    return not is_rank() or os.environ["RANK"] == "0"


def launch(count: int, arguments: Sequence[str], result: Path) -> int:
    """Run the trainer with these arguments as `count` ranks; return the exit code of the run.

    It is the one in the file `result`, which the first rank writes; if that did not write one, that
    of the rank which failed. As soon as a rank fails, all others are ended.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # Neither ranks nor launcher may look up the machine's name, or leave the machine.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    os.environ.setdefault("NCCL_SOCKET_IFNAME", "lo")
    # A rank in the sandbox cannot lead a group of processes, which torch would signal.
    os.killpg = os.kill
    stops = (signal.SIGTERM, signal.SIGINT)

    def stop_once(number: int, _: object) -> None:
        # Whoever asks to stop may ask again: a second exception would end the wait for the ranks.
        for each in stops:
            signal.signal(each, signal.SIG_IGN)
        stop = signal.Signals(number)
        raise SignalException(f"Stopped by {stop.name}.", stop)

    for number in stops:
        signal.signal(number, stop_once)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint=f"{ADDRESS}:0",
        local_addr=ADDRESS,
        max_restarts=0,
        signals_to_handle="SIGHUP,SIGQUIT",
        shutdown_timeout=GRACE_SECONDS,
    )
    result.unlink(missing_ok=True)
    try:
        elastic_launch(config, sys.executable)("-m", "anneal_trainer", *arguments)
        return 0
    except ChildFailedError as error:
        codes = {number: failure.exitcode for number, failure in error.failures.items()}
        return _reported(result) or _most_specific(codes)
    except SignalException as stopped:
        return _reported(result) or SIGNALLED + stopped.sigval


def _reported(result: Path) -> int | None:
    if not result.exists():
        return None
    return int(json.loads(result.read_text(encoding="utf-8"))["exit_code"])


def _most_specific(codes: Mapping[int, int]) -> int:
    """Return the code of the rank that failed first; the others only lost their connection to it.

    Negative codes are signals; the launcher ends the remaining ranks with SIGTERM.
    """
    consequences = (EXIT_UNEXPECTED, -signal.SIGTERM)
    causes = [code for code in codes.values() if code not in consequences]
    code = causes[0] if causes else EXIT_UNEXPECTED
    return SIGNALLED - code if code < 0 else code
