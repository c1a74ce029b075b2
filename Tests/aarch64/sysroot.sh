#!/usr/bin/env bash
# Tests/aarch64/sysroot.sh OUT - puts liburcu and libnuma for aarch64 (headers and archives) into OUT, beside what the cross compiler
# has of its own. They come from Debian's arm64 packages, unpacked without being installed, by an apt state of its own under OUT, so
# that this machine does not become a machine of two architectures.
set -euo pipefail
out=$1
rm -rf "$out"
mkdir -p "$out/apt/lists/partial" "$out/include" "$out/lib"
out=$(cd "$out" && pwd)
cd "$out/apt"
foreign=(-qq -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=root
    -o "Dir::State::Lists=$out/apt/lists" -o "Dir::Cache=$out/apt" -o Debug::NoLocking=1)
apt-get "${foreign[@]}" update
apt-get "${foreign[@]}" download liburcu-dev libnuma-dev
for package in *.deb; do
    dpkg -x "$package" "$out/root"
done
mv "$out"/root/usr/lib/aarch64-linux-gnu/*.a "$out/lib"
mv "$out"/root/usr/include/*.h "$out/include"
mv "$out"/root/usr/include/aarch64-linux-gnu/* "$out/include"
rm -rf "$out/apt" "$out/root"
