# shellcheck shell=bash
# Makes the virtual environment .venv in the repository and installs gdm-jax with the extras "$1" into it, once for each
# state of setup.py. Uses $PYTHON (python3 by default); leaves $python set. Sourced by the other scripts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

base=${PYTHON:-python3}
"$base" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
    { echo "needs Python 3.11, 3.12 or 3.13, but $base is $("$base" --version 2>&1); set PYTHON" >&2; exit 1; }
venv=${GDM_VENV:-.venv}
python=$venv/bin/python
stamp=$venv/.installed-$1-$(cksum <setup.py | cut -d' ' -f1)
if [ ! -e "$stamp" ]; then
    [ -x "$python" ] || "$base" -m venv "$venv"
    echo "installing gdm-jax[$1] into $venv"
    "$python" -m pip install --quiet --disable-pip-version-check --editable ".[$1]"
    touch "$stamp"
fi
