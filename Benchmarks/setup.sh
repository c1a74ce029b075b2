#!/bin/sh
# setup.sh [PEER...] - install what the peers need, from Debian packages only (Debian bookworm; needs root for apt-get).
#
# A peer whose packages cannot be had is skipped and named, so that a benchmark can still run with the others. Tools that
# are there already are left alone: run it as often as you like. apus-c needs only the compiler that builds Apus, and
# swift-actors the Swift toolchain that builds its package, which Debian does not have.
#
# Exit status: 0, also if peers were skipped; 1 if none of those asked for can run.
set -u
export DEBIAN_FRONTEND=noninteractive
backports=bookworm-backports
updated=

apt_update() { [ -n "$updated" ] || apt-get update -qq >/dev/null 2>&1; updated=1; }
apt_install() { apt_update; apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Bookworm's own Go is 1.19; its backports have a newer one, whose scheduler is the one to compare with. The suite is added
# only if the mirror in use has it, and stays at apt's low default priority, so nothing else is upgraded from it.
go_newest() {
    apt_update
    if ! apt-cache policy | grep -q "n=$backports"; then
        mirror=$(apt-cache policy | sed -n 's/^ *[0-9]* \(http[^ ]*\) bookworm\/main .*/\1/p' | head -n 1)
        list=/etc/apt/sources.list.d/apus-bench-backports.list
        [ -n "$mirror" ] || return 1
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $backports main" > "$list"
        if ! apt-get update -qq >/dev/null 2>&1 || ! apt-cache policy | grep -q "n=$backports"; then
            rm -f "$list"
            apt-get update -qq >/dev/null 2>&1
            return 1
        fi
    fi
    package=$(apt-cache pkgnames golang-1. | grep '^golang-1\.[0-9]*-go$' | sort -V | tail -n 1)
    [ -n "$package" ] && apt_install -t "$backports" "$package"
}

setup_peer() {
    case $1 in
    apus-c) have "${CC:-gcc}" || apt_install gcc libc6-dev ;;
    erlang) have erl || apt_install erlang-base ;;
    go) ls /usr/lib/go-1.*/bin/go >/dev/null 2>&1 || go_newest || apt_install golang-go ;;
    caf) { have g++ || apt_install g++; } && { [ -e /usr/include/caf/all.hpp ] || apt_install libcaf-dev; } ;;
    tokio) { have cargo || apt_install cargo rustc; } &&
        { ls -d /usr/share/cargo/registry/tokio-1* >/dev/null 2>&1 || apt_install librust-tokio-dev; } ;;
    swift-*) have swiftc ;;
    *) echo "setup: no peer $1" >&2; return 1 ;;
    esac
}

[ $# -gt 0 ] || set -- apus-c erlang go caf tokio swift-actors
ready= skipped=
for peer in "$@"; do
    echo "setup: $peer" >&2
    if setup_peer "$peer"; then ready="$ready $peer"; else skipped="$skipped $peer"; fi
done
echo "ready:${ready:- none}"
[ -z "$skipped" ] || echo "skipped, packages not to be had:$skipped"
[ -n "$ready" ]
