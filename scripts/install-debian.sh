#!/usr/bin/env bash
# Installs what the deeper checks need from Debian and npm cannot give: z3, which `npm run test:smt` asks for its proofs.
set -euo pipefail

if command -v z3 >/dev/null; then
  z3 --version
  exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "z3 is missing and only root may install it." >&2
  echo "Run: sudo $0" >&2
  exit 1
fi
apt-get update --quiet
apt-get install --yes --quiet --no-install-recommends z3
