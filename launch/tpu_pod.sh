#!/usr/bin/env bash
# A Cloud TPU slice from creation to deletion. Every command is printed before it is run; with --dry-run only printed.
#
#     export ZONE=us-west4-a TYPE=v5litepod-16 BUCKET=my-bucket
#     bash launch/tpu_pod.sh create gdm        SPOT=1 for a slice that may be taken away
#     bash launch/tpu_pod.sh install gdm       this checkout on every host, and the bucket as ~/bucket
#     bash launch/tpu_pod.sh run gdm gdm train --config configs/cifar10.py:bottom_to_top --workdir '~/bucket/cifar10'
#     bash launch/tpu_pod.sh log gdm           what host 0 prints
#     bash launch/tpu_pod.sh stop gdm          SIGTERM: the run saves and ends
#     bash launch/tpu_pod.sh delete gdm
#
# To resume, run the same command again, on the same slice or on a new one of any size: training goes on from the newest
# checkpoint in the workdir, which must be in the bucket. VERSION is the runtime image, by default that of the TYPE.
set -euo pipefail
usage() { sed -n '2,14s/^# \{0,1\}//p' "$0"; }
fail() { echo "tpu_pod: $1" >&2; exit 2; }

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
[ $# -ge 2 ] || { usage >&2; fail "needs one of create, install, run, log, stop, delete, and the slice's name"; }
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

case $action in
    create)
        : "${TYPE:?tpu_pod: set TYPE, e.g. v5litepod-16}"
        spot=()
        [ -z "${SPOT:-}" ] || spot=(--spot)
        tpu create --accelerator-type="$TYPE" --version="${VERSION:-$(version_of "$TYPE")}" "${spot[@]}"
        ;;
    install)
        : "${BUCKET:?tpu_pod: set BUCKET, for the workdirs}"
        archive=$(mktemp --suffix=.tar.gz)
        trap 'rm -f "$archive"' EXIT
        do_it git -C "$here" archive --output="$archive" HEAD
        do_it gcloud compute tpus tpu-vm scp "$archive" "$name:gdm_jax.tar.gz" --zone="$ZONE" --worker=all
        on_every_host 'mkdir -p gdm_jax && tar xzf gdm_jax.tar.gz -C gdm_jax'
        on_every_host 'python3 -m pip install --user --quiet uv && ~/.local/bin/uv venv --allow-existing --python 3.12 ~/venv'
        on_every_host 'cd gdm_jax && ~/.local/bin/uv pip install --python ~/venv "jax[tpu]" -e .'
        on_every_host "command -v gcsfuse || (echo 'deb https://packages.cloud.google.com/apt gcsfuse-jammy main' | sudo tee /etc/apt/sources.list.d/gcsfuse.list && sudo apt-get update && sudo apt-get install -y gcsfuse)"
        on_every_host "mkdir -p ~/bucket && (mountpoint -q ~/bucket || gcsfuse --implicit-dirs $BUCKET ~/bucket)"
        ;;
    run)
        [ "${1:-}" = gdm ] || fail "run: give the command, which starts with gdm"
        on_every_host "cd ~/gdm_jax && source ~/venv/bin/activate && (setsid nohup $* --coordinator auto > ~/gdm.log 2>&1 &)"
        [ -n "$dry" ] || echo "started; bash launch/tpu_pod.sh log $name shows how it goes"
        ;;
    log) tpu ssh --worker=0 --command='tail -n 50 -f ~/gdm.log' ;;
    stop) on_every_host 'pkill -TERM -f "venv/bin/gdm" || true' ;;
    delete) tpu delete --quiet ;;
    *) fail "unknown action $action; one of create, install, run, log, stop, delete" ;;
esac
