#!/usr/bin/env bash
# Installs the Debian packages that some checks need and npm does not have:
#   bubblewrap                             the sandbox for training runs
#   munge, slurm-client, slurmctld, slurmd the cluster that training runs can be submitted to
#   z3                                     the SMT solver of `npm run test:smt`
#   zsh, fish                              shells whose completion scripts are tested
set -euo pipefail

PATH="$PATH:/usr/sbin"
declare -A package=(
  [bwrap]=bubblewrap [munged]=munge [sbatch]=slurm-client [slurmctld]=slurmctld [slurmd]=slurmd [z3]=z3
  [zsh]=zsh [fish]=fish
)
missing=()
for command in "${!package[@]}"; do
  command -v "$command" >/dev/null || missing+=("${package[$command]}")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
  echo "Missing: ${missing[*]}. Only root can install packages." >&2
  echo "Run: sudo $0" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet --quiet
# The cluster's services stay stopped: tests start their own, on the loopback interface.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi
apt-get install --yes --quiet --quiet --no-install-recommends "${missing[@]}"
