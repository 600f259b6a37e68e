#!/usr/bin/env bash
# Installs into .venv, trains GDM-F on the bundled handwritten digits, and draws what the model does into
# runs/digits/figures/. If you run it again, it continues where it stopped. Arguments go to the training command, e.g.
# `bash launch/quickstart.sh --config.training.steps=500` for a quick look.
set -euo pipefail
# shellcheck source=launch/environment.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" demo

config=configs/digits.py
workdir=runs/digits
"$python" -m gdm_jax.cli prepare --config "$config" "$@"
"$python" -m gdm_jax.cli train --config "$config" --workdir "$workdir" "$@"
"$python" -m gdm_jax.cli figures --workdir "$workdir" --out "$workdir"
