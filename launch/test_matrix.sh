#!/usr/bin/env bash
# Runs the tests in three environments, which it makes beside .venv: `colab`, with what Colab preinstalls, on Python
# 3.13; `jax_0.10`, on Python 3.11; and `newest`, with the newest JAX, on Python 3.12. Names choose among them, and what
# follows goes to pytest: `bash launch/test_matrix.sh colab jax_0.10 -k ode`. The interpreters are $PYTHON3_13,
# python3.13 or pyenv's, and so on. One that is missing is passed over; the exit status is 69 if all are. Remove
# .venv-newest for a JAX that is newer than the folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

interpreter() { # VERSION: one that runs, or nothing
    local own=PYTHON${1/./_} pyenv
    pyenv=$(pyenv prefix "$1" 2>/dev/null || true)
    for python in "${!own:-}" "python$1" "${pyenv:+$pyenv/bin/python}"; do
        if [ -n "$python" ] && "$python" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
            echo "$python"
            return
        fi
    done
}

tests() { # NAME VERSION CONSTRAINTS ARGUMENT ...
    local name=$1 version=$2 constraints=$3 python
    shift 3
    [[ " $chosen " == *" $name "* ]] || return 0
    python=$(interpreter "$version")
    if [ -z "$python" ]; then
        echo "$name: passed over, there is no Python $version" >&2
        return
    fi
    echo "$name: $("$python" --version)"
    PYTHON=$python GDM_VENV=.venv-$name PIP_CONSTRAINT=$constraints bash launch/test.sh "$@"
    ran=yes
}

all="colab jax_0.10 newest" chosen="" ran=""
while [ $# -gt 0 ] && [[ " $all " == *" $1 "* ]]; do
    chosen="$chosen $1"
    shift
done
chosen=${chosen:-$all}

scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
echo "jax==0.10.2" >"$scratch/jax"
: >"$scratch/none"
tests colab 3.13 "$PWD/launch/colab/constraints.txt" "$@"
tests jax_0.10 3.11 "$scratch/jax" "$@"
tests newest 3.12 "$scratch/none" "$@"
[ -n "$ran" ] || exit 69
