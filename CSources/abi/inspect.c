#include "abi/enter.h"

static int info_ask(struct apus__owner *here, apus_pid pid, uint64_t timeout_ms, apus_process_info_t *info)
{
    apus_message *outcome;
    int result = apus__ask(here, pid, APUS__INFO, 0, timeout_ms, &outcome);
    if (result)
        return result;
    if (outcome->kind == APUS__REPLY) {
        *info = *(const apus_process_info_t *)apus_message_payload(outcome);
    } else {
        const apus_down_message *down = apus_message_payload(outcome);
        result = down->reason.kind == APUS_REASON_ERROR ? down->reason.code : -ESRCH;
    }
    apus__message_drop(here, outcome);
    return result;
}

struct info_errand {
    struct apus__errand errand;
    apus_pid pid;
    uint64_t timeout_ms;
    apus_process_info_t info;
};

static void info_errand_run(struct apus__owner *here, struct apus__errand *errand)
{
    struct info_errand *ask = apus_container_of(errand, struct info_errand, errand);
    errand->result = info_ask(here, ask->pid, ask->timeout_ms, &ask->info);
}

int apus_process_info(apus_pid pid, uint64_t timeout_ms, apus_process_info_t *info)
{
    if (!info || info->struct_size != sizeof *info)
        return -EINVAL;
    int error;
    apus_process *self = apus_self();
    struct apus__owner *here = self ? apus__enter_self(self, &error) : NULL;
    if (here) {
        int result = info_ask(here, pid, timeout_ms, info);
        apus__depart();
        return result;
    }
    struct info_errand *ask = apus__errand_new(sizeof *ask, info_errand_run);
    if (!ask)
        return -ENOMEM;
    ask->pid = pid;
    ask->timeout_ms = timeout_ms;
    bool is_mine;
    int result = apus__run_errand(&ask->errand, APUS_NOBODY, APUS_NOBODY, timeout_ms, &is_mine);
    if (!result)
        *info = ask->info;
    if (is_mine)
        apus__errand_dispose(&ask->errand);
    return result;
}
