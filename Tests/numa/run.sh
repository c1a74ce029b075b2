#!/usr/bin/env bash
# Tests/numa/run.sh BUILD - runs tests on a machine with four NUMA nodes, emulated on this one.
#
# qemu boots a stock Debian kernel on 8 CPUs in 4 sockets, each socket a node with 512 MB of its own; its first process is
# Tests/numa/init, which runs the statically linked tests one after the other and writes to the serial line. Emulated in software, it
# says nothing about speed, but the kernel's view is real: topology, distances, pinning, and on which node a page lies.
#
#   node distances     0   1   2   3
#                 0   10  20  30  30      0 and 1 are neighbours, 2 and 3 are neighbours
#                 1   20  10  30  30
#                 2   30  30  10  20
#                 3   30  30  20  10
#
# BUILD/libapus.a is what is tested; Tests/C/numa/ and Tests/C/conformance/ are the tests. Environment: CC, CFLAGS; NUMA_TIMEOUT in
# seconds for the whole boot (default 900); NUMA_TESTS, a list of test files to take instead.
set -uo pipefail
cd "$(dirname "$0")/../.."
library=$1/libapus.a
out=build/numa
limit=${NUMA_TIMEOUT:-900}
root=$out/root
rm -rf "$root" "$out/console.log"
mkdir -p "$root"/{bin,tests,dev,proc,sys,tmp}

[ "$(uname -m)" = x86_64 ] || {
    echo "numa: the emulated machine is made for x86-64 hosts"
    exit 1
}

# The kernel: the package that the metapackage stands for, unpacked without being installed, and kept.
if [ ! -s "$out/vmlinuz" ]; then
    kernel_package() {
        apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1
    }
    package=$(kernel_package)
    if [ -z "$package" ]; then
        if [ "$(id -u)" -eq 0 ]; then apt-get update -qq; else sudo apt-get update -qq; fi
        package=$(kernel_package)
    fi
    [ -n "$package" ] || {
        echo "numa: apt knows no linux-image-cloud-amd64"
        exit 1
    }
    rm -rf "$out/kernel"
    mkdir -p "$out/kernel"
    (cd "$out/kernel" && apt-get download -qq -o APT::Sandbox::User=root "$package" && dpkg -x ./*.deb . && cp boot/vmlinuz-* ../vmlinuz) || {
        echo "numa: could not download $package"
        exit 1
    }
    rm -rf "$out/kernel"
fi

# The tests, static so that the machine needs no other file than they are.
tests=0
failed=0
for source in ${NUMA_TESTS:-Tests/C/numa/*_test.c Tests/C/conformance/*_test.c}; do
    [ -f "$source" ] || continue
    name=$(basename "$(dirname "$source")")-$(basename "$source" .c)
    # shellcheck disable=SC2086 # the flags are several words
    if ${CC:-gcc} $CFLAGS -ITests/C -static -o "$root/tests/$name" "$source" "$library" -lurcu-memb -lurcu-cds -lurcu-common -lnuma \
        -pthread -lm >"$out/link.log" 2>&1; then
        strip "$root/tests/$name"
        tests=$((tests + 1))
    else
        tail -n 5 "$out/link.log"
        echo "FAIL $source does not link"
        failed=$((failed + 1))
    fi
done
cp /bin/busybox "$root/bin/busybox"
cp Tests/numa/init "$root/init"
chmod +x "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc) | gzip -1 >"$out/initramfs.gz"

nodes=()
for node in 0 1 2 3; do
    nodes+=(-object "memory-backend-ram,id=m$node,size=512M"
        -numa "node,nodeid=$node,memdev=m$node,cpus=$((node * 2))-$((node * 2 + 1))")
done
for pair in 0,1,20 2,3,20 0,2,30 0,3,30 1,2,30 1,3,30; do
    IFS=, read -r a b distance <<<"$pair"
    nodes+=(-numa "dist,src=$a,dst=$b,val=$distance")
done

timeout --foreground "$limit" qemu-system-x86_64 -machine pc -accel tcg,thread=multi -cpu max -smp 8,sockets=4,cores=2 -m 2G \
    "${nodes[@]}" -kernel "$out/vmlinuz" -initrd "$out/initramfs.gz" -nographic -no-reboot -net none \
    -append "console=ttyS0 quiet panic=-1 test_slow=${TEST_SLOW:-3} test_scale=${TEST_SCALE:-0.05}" </dev/null 2>&1 |
    tr -d '\r' >"$out/console.log"
status=${PIPESTATUS[0]}
[ "$status" -ne 124 ] || echo "numa: the machine ran longer than $limit s"

# What counts is what came over the line: a closing line without a failure for each test, and init's last word.
[ "$status" -eq 0 ] && grep -q '^numa: end$' "$out/console.log" || {
    echo "FAIL the machine did not come to its end (qemu's status $status)"
    failed=$((failed + 1))
}
awk '/^numa: test /,/^[0-9]+ passed, [0-9]+ failed$/' "$out/console.log" | grep -vE '^ok '
closed=$(grep -cE '^[0-9]+ passed, [0-9]+ failed$' "$out/console.log")
[ "$closed" -eq "$tests" ] || {
    echo "FAIL $((tests - closed)) of $tests tests gave no closing line; $out/console.log has the whole output"
    failed=$((failed + tests - closed))
}
awk -v lost="$failed" '/^[0-9]+ passed, [0-9]+ failed$/ {passed += $1; failed += $3}
    END {failed += lost; printf "numa: %d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0}' "$out/console.log"
