# shellcheck shell=bash
# Other scripts source this file. It makes the virtual environment .venv in the repository and installs gdm-jax with the
# extras "$1" into it, again only when setup.py, the version or the constraints of pip have changed. It uses $PYTHON
# (python3 by default) and sets $python.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

base=${PYTHON:-python3}
"$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    { echo "needs Python 3.11 or later, but $base is $("$base" --version 2>&1); set PYTHON" >&2; exit 1; }
venv=${GDM_VENV:-.venv}
python=$venv/bin/python
depends=$(cat setup.py ${PIP_CONSTRAINT:+"$PIP_CONSTRAINT"}; grep __version__ gdm_jax/__init__.py)
stamp=$venv/.installed-$1-$(cksum <<<"$depends" | cut -d' ' -f1)
if [ ! -e "$stamp" ]; then
    [ -x "$python" ] || "$base" -m venv "$venv"
    echo "installing gdm-jax[$1] into $venv"
    "$python" -m pip install --quiet --disable-pip-version-check --editable ".[$1]"
    touch "$stamp"
fi
