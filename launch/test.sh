#!/usr/bin/env bash
# Installs what the tests need into .venv and runs them on several cores. Arguments go to pytest, e.g. `-k ode`.
set -euo pipefail
# shellcheck source=launch/environment.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" test

"$python" -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile "$@"
