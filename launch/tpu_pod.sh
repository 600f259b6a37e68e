#!/usr/bin/env bash
# Manages a Cloud TPU slice. Every command is printed before it is run; with --dry-run it is only printed.
#
#     export ZONE=us-west4-a TYPE=v5litepod-16 BUCKET=my-bucket
#     bash launch/tpu_pod.sh create gdm        with SPOT=1, a cheaper slice that Google may take away
#     bash launch/tpu_pod.sh install gdm       puts this checkout on every host and mounts the bucket as runs/
#     bash launch/tpu_pod.sh run gdm gdm train --config configs/digits_pixels.py --workdir runs/digits_pixels
#     bash launch/tpu_pod.sh log gdm           shows what host 0 prints
#     bash launch/tpu_pod.sh stop gdm          sends SIGTERM; the run saves and ends
#     bash launch/tpu_pod.sh resume gdm gdm train --config configs/digits_pixels.py --workdir runs/digits_pixels
#     bash launch/tpu_pod.sh delete gdm
#
# The same run command continues from the newest checkpoint in the workdir, on a slice of any size. resume replaces a slice
# that was taken away by a new one, installs and runs. Put data that all hosts need into the bucket as well, with
# --config.data.dir=runs/data. VERSION sets the runtime image; by default it follows from TYPE.
set -euo pipefail
usage() { sed -n '2,16s/^# \{0,1\}//p' "$0"; }
fail() { echo "tpu_pod: $1" >&2; exit 2; }
((BASH_VERSINFO[0] >= 5)) || fail "needs bash 5 or newer, this is $BASH_VERSION"

words=()
dry=
for word in "$@"; do
    case $word in
        --dry-run) dry=1 ;;
        --help) usage; exit 0 ;;
        *) words+=("$word") ;;
    esac
done
set -- "${words[@]}"
[ $# -ge 2 ] || { usage >&2; fail "needs one of create, install, run, log, stop, resume, delete, and the slice's name"; }
action=$1 name=$2
shift 2
: "${ZONE:?tpu_pod: set ZONE, e.g. us-west4-a}"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

version_of() {
    case $1 in
        v6e-*) echo v2-alpha-tpuv6e ;;
        v5p-*) echo v2-alpha-tpuv5 ;;
        v5litepod-*) echo v2-alpha-tpuv5-lite ;;
        *) echo tpu-ubuntu2204-base ;;
    esac
}
do_it() {
    local word line=+
    for word in "$@"; do
        if [[ $word =~ [^[:alnum:]_./:=@,+-] ]]; then line+=" ${word@Q}"; else line+=" $word"; fi
    done
    echo "$line"
    [ -n "$dry" ] || "$@"
}
tpu() { do_it gcloud compute tpus tpu-vm "$1" "$name" --zone="$ZONE" "${@:2}"; }
on_every_host() { tpu ssh --worker=all --command="$1"; }

create() {
    : "${TYPE:?tpu_pod: set TYPE, e.g. v5litepod-16}"
    local spot=()
    [ -z "${SPOT:-}" ] || spot=(--spot)
    tpu create --accelerator-type="$TYPE" --version="${VERSION:-$(version_of "$TYPE")}" "${spot[@]}"
}
install() {
    : "${BUCKET:?tpu_pod: set BUCKET, for the workdirs}"
    local archive keys=/usr/share/keyrings/cloud.google.asc from=https://packages.cloud.google.com/apt
    archive=$(mktemp)
    do_it git -C "$here" archive --format=tar.gz --output="$archive" HEAD
    do_it gcloud compute tpus tpu-vm scp "$archive" "$name:gdm_jax.tar.gz" --zone="$ZONE" --worker=all
    rm "$archive"
    on_every_host 'mkdir -p gdm_jax && tar xzf gdm_jax.tar.gz -C gdm_jax'
    on_every_host 'python3 -m pip install --user --quiet uv && ~/.local/bin/uv venv --allow-existing --python 3.12 ~/venv'
    on_every_host 'cd gdm_jax && ~/.local/bin/uv pip install --python ~/venv "jax[tpu]" -e ".[demo]"'
    on_every_host "command -v gcsfuse || (curl -s $from/doc/apt-key.gpg | sudo tee $keys > /dev/null && echo \"deb [signed-by=$keys] $from gcsfuse-\$(lsb_release -cs) main\" | sudo tee /etc/apt/sources.list.d/gcsfuse.list && sudo apt-get update && sudo apt-get install -y gcsfuse)"
    # Orbax commits a checkpoint by renaming its folder, and gcsfuse needs this option to allow it.
    on_every_host "mkdir -p gdm_jax/runs && (mountpoint -q gdm_jax/runs || gcsfuse --implicit-dirs --rename-dir-limit=100000 $BUCKET gdm_jax/runs)"
}
run() {
    local cache=runs/.compiled # process 0 compiles and writes it for all processes
    on_every_host "cd gdm_jax && source ~/venv/bin/activate && (JAX_COMPILATION_CACHE_DIR=$cache setsid nohup ${*@Q} --coordinator auto > ~/gdm.log 2>&1 &)"
    [ -n "$dry" ] || echo "started; bash launch/tpu_pod.sh log $name shows how it goes"
}

case $action in run | resume) [ "${1:-}" = gdm ] || fail "$action: give the command, which starts with gdm" ;; esac
case $action in
    create) create ;;
    install) install ;;
    run) run "$@" ;;
    resume)
        tpu delete --quiet || true # a remainder of the old slice would block the new one
        create
        install
        run "$@"
        ;;
    log) tpu ssh --worker=0 --command='tail -n 50 -f ~/gdm.log' ;;
    stop) on_every_host 'pkill -TERM -f "[v]env/bin/gdm" || true' ;; # [v] keeps the pattern from matching the shell that runs pkill
    delete) tpu delete --quiet ;;
    *) fail "unknown action $action; one of create, install, run, log, stop, resume, delete" ;;
esac
