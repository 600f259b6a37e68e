#!/usr/bin/env bash
# Runs several processes on this machine as if each were a host of a pod, for example to try a config on many hosts:
#
#     bash launch/local_pod.sh 2 gdm train --config configs/digits.py --workdir runs/digits
#
# The command runs N times with --coordinator, --processes and --process added. The variable DEVICES sets the number of
# CPU devices of each process (2). When a process fails, the script ends the others and exits with its status.
set -euo pipefail
usage() { sed -n '2,7s/^# \{0,1\}//p' "$0"; exit "$1"; }
[ "${1:-}" = --help ] && usage 0
[[ ${1:-} =~ ^[1-9][0-9]*$ && $# -ge 2 ]] || { echo "local_pod: needs a number of processes and a command" >&2; usage 2 >&2; }

count=$1
shift
port=${PORT:-$((20000 + RANDOM % 20000))}
export XLA_FLAGS="${XLA_FLAGS:-} --xla_force_host_platform_device_count=${DEVICES:-2}" JAX_PLATFORMS=cpu
pids=()
end() { # asks the remaining processes to end, and kills them after five seconds
    kill "${pids[@]}" 2>/dev/null || return 0
    for ((n = 0; n < 50; n++)); do
        kill -0 "${pids[@]}" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "${pids[@]}" 2>/dev/null || true
}
trap end EXIT
trap 'exit 143' INT TERM
for ((i = 0; i < count; i++)); do
    "$@" --coordinator "127.0.0.1:$port" --processes "$count" --process "$i" &
    pids+=($!)
done
for ((i = 0; i < count; i++)); do
    wait -n || exit $?
done
