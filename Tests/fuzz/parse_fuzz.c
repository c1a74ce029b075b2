// Tests/fuzz/parse_fuzz.c - every text that the core reads from outside: the system's lists of CPUs, nodes and distances, CPU quotas, and
// the choices of a simulated run. libFuzzer.
//
// Method: the files' contents are pieces of the input: os/file.c is replaced. What comes out must be in range.
#define _GNU_SOURCE 1
#include "input.h"

#include "os/file.h"

#include <stdbool.h>

static bool fuzz_file_read(char *text, size_t size, const char *format, ...)
{
    (void)format;
    if (input_byte() % 4 == 0)
        return false;
    input_text(text, size);
    return true;
}

static long fuzz_file_number(long otherwise, const char *format, ...)
{
    (void)format;
    char text[32];
    return input_byte() % 4 == 0 ? otherwise : strtol(input_text(text, sizeof text), NULL, 10);
}

#define apus__file_read fuzz_file_read
#define apus__file_number fuzz_file_number
#include "os/quota.c"
#include "os/topology.c"

#include <apus/apus.h>

static int begin(void *context)
{
    (void)context;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[256];
    input_data = data;
    input_left = size;
    struct apus__topology topology;
    if (input_byte() % 2 && apus__topology_read(&topology, "/nowhere", "/nowhere") == 0) {
        FUZZ_CHECK(topology.cpu_count >= 1 && topology.node_count >= 1);
        for (unsigned i = 0; i < topology.cpu_count; i++)
            FUZZ_CHECK(topology.cpus[i].node >= 0 && (unsigned)topology.cpus[i].node < topology.node_count);
        for (unsigned i = 0; i < topology.node_count; i++)
            apus__topology_distance(&topology, i, topology.node_count - 1 - i);
        FUZZ_CHECK(apus__topology_schedulers(&topology) >= 1);
        apus__topology_free(&topology);
    }
    FUZZ_CHECK(!(apus__quota_of("/nowhere", input_text(text, sizeof text)) < 0));
    const apus_simulation simulation = {.struct_size = sizeof simulation, .begin = begin};
    apus_simulation_result result = {.struct_size = sizeof result};
    int status = apus_simulate_replay(&simulation, input_text(text, sizeof text), 0, &result);
    FUZZ_CHECK(status == 0 || status == -EINVAL || status == -ENOMEM);
    apus_reason reason = {.kind = (apus_reason_kind)input_byte(), .code = (int32_t)input_word(), .text = input_text(text, sizeof text)};
    char written[16];
    FUZZ_CHECK(apus_reason_text(&reason, written, sizeof written) < 4096 && memchr(written, 0, sizeof written));
    return 0;
}
