#!/usr/bin/env bash
# Checks the trainer on one GPU and measures its speed, in one command of at most 9 minutes:
#
#   scripts/bench/gpu.sh --out FOLDER        on a machine with a GPU; OUT=FOLDER does the same
#   scripts/bench/gpu.sh --rehearse --out FOLDER    every path with tiny models, on a CPU, in under a minute
#
# It needs bash, and a Python with torch, transformers, peft, accelerate, pyarrow, pillow, jinja2 and jsonschema: that
# of .venv, or PYTHON. Nothing is installed; bring what lacks in a folder and name it in PYTHONPATH. The results are in
# FOLDER/gpu.json, complete at any moment, and everything that was printed in FOLDER/gpu.log.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
venv="$here/../../.venv/bin/python"
python="${PYTHON:-$([ -x "$venv" ] && echo "$venv" || echo python3)}"
exec "$python" "$here/gpu.py" "$@"
