#!/bin/sh
# build.sh BUILD_DIR - compile the programs that measure what the hardware allows, and the common client of the echo workload.
set -eu
[ $# -eq 1 ] || { echo "usage: build.sh BUILD_DIR" >&2; exit 2; }
src=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
for program in atomics memory wakes kernels; do
    ${CC:-gcc} -std=gnu11 -D_GNU_SOURCE ${CFLAGS:--O3 -march=native} -Wall -Wextra -Werror -I"$src/../Peers/apus-c" \
        "$src/$program.c" -lm -pthread -o "$1/$program"
done
${CC:-gcc} -std=gnu11 -D_GNU_SOURCE ${CFLAGS:--O3 -march=native} -Wall -Wextra -Werror \
    "$src/../Common/echo_client.c" -o "$1/echo_client"
