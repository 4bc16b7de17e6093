#!/usr/bin/env bash
# Installs what some checks need from Debian and npm cannot give:
#   bubblewrap                             the sandbox that trainings run in
#   munge, slurm-client, slurmctld, slurmd the cluster that trainings can be handed to
#   z3                                     the prover behind `npm run test:smt`
#   zsh, fish                              shells whose completion scripts are tried out
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
  echo "Missing: ${missing[*]}, and only root may install packages." >&2
  echo "Run: sudo $0" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet --quiet
# The cluster's services stay off: tests start their own, on the loopback interface.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi
apt-get install --yes --quiet --quiet --no-install-recommends "${missing[@]}"
