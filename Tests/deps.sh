#!/usr/bin/env bash
# Tests/deps.sh GROUP... - installs what a group of targets needs and this machine lacks. Does nothing when all is there, so it may be
# run any number of times. Uses apt-get, through sudo unless root; elsewhere it names what is missing and fails.
set -euo pipefail

missing=()
need() { # need PACKAGE PROBE...: the package is wanted unless each probe is a command or a file
    local package=$1 probe
    shift
    for probe in "$@"; do
        if ! command -v "$probe" >/dev/null 2>&1 && ! compgen -G "$probe" >/dev/null; then
            missing+=("$package")
            return
        fi
    done
}

for group in "$@"; do
    case $group in
    core)
        need gcc gcc
        need g++ g++
        need pkg-config pkg-config
        need libc6-dev '/usr/include/pthread.h'
        need liburcu-dev '/usr/include/*/urcu/urcu-memb.h' '/usr/lib/*/liburcu-memb.a'
        need libnuma-dev /usr/include/numa.h '/usr/lib/*/libnuma.a'
        ;;
    models) need spin spin ;;
    otp) need erlang-base erl escript ;;
    abi) need dwarves pahole ;;
    bench) need python3 python3 ;;
    gates) need valgrind valgrind /usr/include/valgrind/callgrind.h ;;
    aarch64)
        need gcc-aarch64-linux-gnu aarch64-linux-gnu-gcc
        need libc6-dev-arm64-cross /usr/aarch64-linux-gnu/lib/libc.a
        need qemu-user-static qemu-aarch64-static
        ;;
    numa)
        need qemu-system-x86 qemu-system-x86_64
        need busybox-static /bin/busybox
        need cpio cpio
        ;;
    *)
        echo "deps.sh: no group called $group" >&2
        exit 2
        ;;
    esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "deps.sh: missing, under Debian's names: ${missing[*]}" >&2
    exit 1
fi
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# ${x[@]+...}: an empty array is unset to older shells.
${as_root[@]+"${as_root[@]}"} apt-get update -qq
${as_root[@]+"${as_root[@]}"} apt-get install -y -qq -o DPkg::Lock::Timeout=300 --no-install-recommends "${missing[@]}" >/dev/null
