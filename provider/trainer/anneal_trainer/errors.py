"""The reasons why a job ends without a model, each with its exit code for the daemon."""

import errno

EXIT_DONE = 0
EXIT_UNEXPECTED = 1
EXIT_BAD_CONFIG = 2
EXIT_BAD_DATA = 3
EXIT_OUT_OF_MEMORY = 4
EXIT_STOPPED = 75


class JobError(Exception):
    """A job that cannot continue: `message` says what happened, `hint` what to do next."""

    code = "unexpected"
    exit_code = EXIT_UNEXPECTED
    retryable = False

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(JobError):
    """The job file, its hyper-parameters or the base model cannot be used as they are."""

    code = "bad-config"
    exit_code = EXIT_BAD_CONFIG


class DataError(JobError):
    """A dataset breaks a rule; the message starts with file:line."""

    code = "bad-data"
    exit_code = EXIT_BAD_DATA


class OutOfMemoryError(JobError):
    """Model and batch do not fit into the memory of this machine."""

    code = "out-of-memory"
    exit_code = EXIT_OUT_OF_MEMORY


class UnexpectedError(JobError):
    """Any unexpected error: a fault in the software or the machine."""

    retryable = True


class DiskFullError(JobError):
    """The disk is full; what was saved before is still there."""

    code = "disk-full"
    retryable = True


class StoppedError(Exception):
    """The job was asked to stop; a restart continues from what was saved."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of torch or Python means that memory ran out, on a GPU or a CPU."""
    texts = ("out of memory", "can't allocate memory")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in texts)
    )


def is_lost_rank(error: BaseException) -> bool:
    """Return whether an error of torch means that another rank of the training run has ended."""
    text = str(error)
    return isinstance(error, RuntimeError) and ("gloo" in text or "NCCL" in text)


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error of Python or of a library means that the disk or a quota is full."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    # The error of safetensors has no errno, only this text.
    return f"os error {errno.ENOSPC}" in str(error) or f"os error {errno.EDQUOT}" in str(error)
