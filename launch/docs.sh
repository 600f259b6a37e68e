#!/usr/bin/env bash
# Builds the site into docs/_build and runs the tutorials, with short training unless GDM_WHOLE_NOTEBOOKS=1. Warnings are
# errors. Arguments go to sphinx-build.
set -euo pipefail
# shellcheck source=launch/environment.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" docs

JAX_PLATFORMS=${JAX_PLATFORMS:-cpu} "$python" -m sphinx -W --keep-going -b html docs docs/_build "$@"
echo "docs/_build/index.html"
