#!/usr/bin/env bash
# Installs what some checks need from Debian and npm cannot give:
#   z3    the prover behind `npm run test:smt`
set -euo pipefail

declare -A package=([z3]=z3)
missing=()
for command in "${!package[@]}"; do
  command -v "$command" >/dev/null || missing+=("${package[$command]}")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
  echo "Missing: ${missing[*]}, and only root may install packages." >&2
  echo "Run: sudo $0" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet --quiet
apt-get install --yes --quiet --quiet --no-install-recommends "${missing[@]}"
