#!/usr/bin/env bash
# Runs the tests in three environments, which it makes beside .venv: with what Colab preinstalls, on Python 3.13; with
# JAX 0.10, on Python 3.11; and with the newest JAX, on Python 3.12. Arguments go to pytest. The interpreters are
# python3.13 and so on, or $PYTHON3_13 and so on. One that is missing is passed over.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tests() { # NAME PYTHON CONSTRAINTS ARGUMENT ...
    local name=$1 interpreter=$2 constraints=$3
    shift 3
    if ! command -v "$interpreter" >/dev/null; then
        echo "$name: passed over, there is no $interpreter" >&2
        return
    fi
    echo "$name: $("$interpreter" --version)"
    PYTHON=$interpreter GDM_VENV=.venv-$name PIP_CONSTRAINT=$constraints bash launch/test.sh "$@"
    ran=yes
}

ran=
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
echo "jax==0.10.2" >"$scratch/jax"
: >"$scratch/none"
tests colab "${PYTHON3_13:-python3.13}" "$PWD/launch/colab/constraints.txt" "$@"
tests jax_0.10 "${PYTHON3_11:-python3.11}" "$scratch/jax" "$@"
tests newest "${PYTHON3_12:-python3.12}" "$scratch/none" "$@"
[ -n "$ran" ] || { echo "there is none of Python 3.11, 3.12 and 3.13" >&2; exit 1; }
