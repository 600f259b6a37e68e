#!/usr/bin/env bash
# Installs what the tests need into .venv and runs them; arguments go to pytest, e.g. `bash launch/test.sh -k ode`.
set -euo pipefail
# shellcheck source=launch/environment.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" test

"$python" -m pytest "$@"
