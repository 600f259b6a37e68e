#!/usr/bin/env bash
# Installs into .venv and draws what the model of fruits that ships can do, into runs/pretrained/figures/. Then trains
# one of its kind on the photographs that ship, for about 12 minutes on two CPU cores, and draws it into
# runs/fruits/figures/. If you run it again with the same arguments, it continues where it stopped. Arguments go to the
# training command: `bash launch/quickstart.sh --config.training.steps=500` is a quick look. Remove runs/fruits before a
# run with others.
set -euo pipefail
# shellcheck source=launch/environment.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" demo

config=configs/fruits.py:quick
workdir=runs/fruits
"$python" -m gdm_jax.cli figures --workdir fruits --out runs/pretrained
"$python" -m gdm_jax.cli prepare --config "$config" "$@"
"$python" -m gdm_jax.cli train --config "$config" --workdir "$workdir" "$@"
"$python" -m gdm_jax.cli figures --workdir "$workdir" --out "$workdir"
