"""Fetch a model from a hub repository, and upload one: `python -m anneal_online.hub fetch|upload`.

A token is passed as {"hf_api_token": …} on standard input, never as an argument. HF_ENDPOINT is the
hub. Exit codes: 0 done, 2 permanent failure, 1 failure that may be temporary.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from anneal_trainer.errors import EXIT_UNEXPECTED, ConfigError, JobError, UnexpectedError
from anneal_trainer.hashing import file_sha256
from anneal_trainer.model.files import read_config, read_model_config, weight_bytes
from anneal_trainer.model.start import config_differences, other_architecture

SETTINGS = {
    "HF_HUB_OFFLINE": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    # Plain HTTP through the one endpoint, and never the token that the operator is logged in with.
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
}

MODEL_FILES = ("*.safetensors", "*.json", "*.txt", "*.jinja")
"""Files that are fetched, only from the top of the repository: weights and plain text, no code."""


MAX_TEXT_BYTES = 64 * 2**20
"""Maximum size of a file without weights."""
MAX_TIMES_BASE = 4
"""Maximum ratio of the weights' size to the base model's: another number format, or two formats."""


def fetch(
    repository: str,
    revision: str,
    target: Path,
    token: str | None,
    max_bytes: int,
    base: Path | None = None,
) -> str:
    """Fetch a repository's model files to `target`, all or none; return the commit.

    Sizes and configuration are checked before any weights are fetched. With `base`, the directory
    of the model whose weights they will replace, they are compared with that model. An interrupted
    fetch is resumed. Raises ConfigError for a repository that cannot be used and UnexpectedError if
    the hub does not answer.
    """
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download

    with _explained(repository, revision):
        info = HfApi(token=token or False).model_info(
            repository, revision=revision, files_metadata=True
        )
    files = {file.rfilename: file for file in info.siblings or [] if _is_wanted(file.rfilename)}
    _check_sizes(
        repository, {name: file.size or 0 for name, file in files.items()}, max_bytes, base
    )
    part = target.with_name(f"{target.name}.part")
    try:
        if "config.json" in files:
            with _explained(repository, revision):
                hf_hub_download(
                    repository,
                    "config.json",
                    revision=info.sha,
                    local_dir=part,
                    token=token or False,
                )
        _check_config(repository, part, base)
    except JobError:
        shutil.rmtree(part, ignore_errors=True)
        raise
    with _explained(repository, revision):
        snapshot_download(
            repository,
            revision=info.sha,
            local_dir=part,
            allow_patterns=sorted(files),
            token=token or False,
        )
    try:
        for name, file in files.items():
            if file.lfs is not None and file_sha256(part / name) != file.lfs.sha256:
                raise UnexpectedError(f"{repository}: {name} arrived damaged.", "Try again.")
        read_model_config(part)
    except JobError:
        shutil.rmtree(part)
        raise
    shutil.rmtree(part / ".cache", ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
    return str(info.sha)


def _check_sizes(repository: str, sizes: dict[str, int], max_bytes: int, base: Path | None) -> None:
    """Refuse a repository by the file sizes that the hub reports."""
    total = sum(sizes.values())
    if total > max_bytes:
        raise ConfigError(
            f"{repository} has {total} bytes, more than the limit of {max_bytes}.",
            "Choose a smaller model, or another provider.",
        )
    weights = [size for name, size in sizes.items() if name.endswith(".safetensors")]
    if not weights:
        raise ConfigError(
            f"{repository} has no weights in the safetensors format.",
            "Choose a repository or revision with safetensors: other formats can contain code.",
        )
    large = [
        name
        for name, size in sizes.items()
        if size > MAX_TEXT_BYTES and not name.endswith(".safetensors")
    ]
    if large:
        raise ConfigError(
            f"{repository}: {large[0]} has {sizes[large[0]]} bytes, too many for such a file.",
            "Choose another repository.",
        )
    own = weight_bytes(base) if base else 0
    if base and sum(weights) > MAX_TIMES_BASE * own:
        raise ConfigError(
            f"{repository} has {sum(weights)} bytes of weights, more than {MAX_TIMES_BASE} times "
            f"the {own} of the base model.",
            "Order with the base model that it was made from.",
        )


def _check_config(repository: str, directory: Path, base: Path | None) -> None:
    """Refuse a model by its configuration."""
    config = read_config(directory)
    differences = list(config_differences(read_config(base), config)) if base else []
    if differences:
        raise other_architecture(repository, differences)


def upload(directory: Path, repository: str, token: str, message: str) -> str:
    """Upload a directory to a repository, a new private one if there is none; return its URL."""
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    with _explained(repository, "main"):
        url = api.create_repo(repository, private=True, exist_ok=True)
        api.upload_folder(
            repo_id=url.repo_id,
            folder_path=directory,
            commit_message=message,
            ignore_patterns=["checkpoints/*"],
        )
    return str(url)


def _is_wanted(name: str) -> bool:
    return "/" not in name and any(fnmatch(name, pattern) for pattern in MODEL_FILES)


@contextmanager
def _explained(repository: str, revision: str) -> Iterator[None]:
    """Turn the hub's errors into sentences, without repeating the token."""
    from httpx import TransportError
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise ConfigError(
            f"The hub's repository {repository} is gated.",
            "Ask its owner for access and send a token with that access.",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ConfigError(
            f"The hub's repository {repository} has no revision {revision}.",
            "Name a branch, a tag or a commit that it has.",
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise ConfigError(
            f"The hub has no repository {repository}, or hides it.",
            "Check its name; for a private repository send a token that may read it.",
        ) from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status in (401, 403):
            raise ConfigError(
                f"The hub refuses the token for {repository} (HTTP {status}).",
                "Send a token that may read and write there.",
            ) from error
        raise UnexpectedError(
            f"The hub answers HTTP {status} for {repository}.", "Try again later."
        ) from error
    except (errors.LocalEntryNotFoundError, TransportError, OSError) as error:
        raise UnexpectedError(
            f"The hub cannot be reached: {type(error).__name__}.",
            "Check HF_ENDPOINT and try again later.",
        ) from error


def read_secret(name: str) -> str | None:
    """Read one secret from the JSON line on standard input."""
    line = sys.stdin.readline()
    secrets: dict[str, Any] = json.loads(line) if line.strip() else {}
    value = secrets.get(name)
    return value if isinstance(value, str) and value else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; print its result as JSON, or message and hint, one line each."""
    parser = argparse.ArgumentParser(prog="python -m anneal_online.hub", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    fetching = verbs.add_parser("fetch", help="fetch a model at a revision")
    fetching.add_argument("--repository", required=True)
    fetching.add_argument("--revision", default="main")
    fetching.add_argument("--to", type=Path, required=True)
    fetching.add_argument("--max-bytes", type=int, default=2**40)
    fetching.add_argument("--base", type=Path, help="directory of the model that it must fit")
    uploading = verbs.add_parser("upload", help="upload a directory")
    uploading.add_argument("--repository", required=True)
    uploading.add_argument("--directory", type=Path, required=True)
    uploading.add_argument("--message", default="Upload a fine-tuned model")
    options = parser.parse_args(arguments)
    os.environ.update(SETTINGS)
    token = read_secret("hf_api_token")
    try:
        result = _run(options, token)
    except JobError as error:
        print(f"{error.message}\n{error.hint}", file=sys.stderr)
        return error.exit_code
    except Exception as error:
        # Error messages of libraries are not printed, because they may contain the token.
        print(f"The hub failed: {type(error).__name__}.\nTry again later.", file=sys.stderr)
        return EXIT_UNEXPECTED
    print(json.dumps(result))
    return 0


def _run(options: argparse.Namespace, token: str | None) -> dict[str, str]:
    if options.verb == "fetch":
        commit = fetch(
            options.repository,
            options.revision,
            options.to,
            token,
            options.max_bytes,
            options.base,
        )
        return {"commit": commit}
    if token is None:
        raise ConfigError(
            "There is no hf_api_token for the upload.", "Send it, sealed, while the task runs."
        )
    return {"url": upload(options.directory, options.repository, token, options.message)}


if __name__ == "__main__":
    sys.exit(main())
