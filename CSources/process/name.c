#include "process/name.h"

#include <string.h>

int apus__name_check(const char *name, size_t *length)
{
    if (!name)
        return -EINVAL;
    *length = strnlen(name, APUS_NAME_MAX + 1);
    return *length >= 1 && *length <= APUS_NAME_MAX ? 0 : -EINVAL;
}

int apus__name_claim(const char *name, apus_pid pid, struct apus__name **claimed)
{
    size_t length;
    if (apus__name_check(name, &length))
        return -EINVAL;
    return apus__inject_fail(APUS__INJECT_MALLOC) ? -ENOMEM : apus__names_insert(apus__world.names, name, length, pid.id, claimed);
}

void apus__name_disclaim(struct apus__name *claimed)
{
    if (apus__names_remove(apus__world.names, claimed))
        apus__name_free(claimed);
}

void apus__name_install(struct apus_process *process, struct apus__name *claimed)
{
    apus__rcu_read_lock();
    // acq_rel: publishes the entry to name_of_cell(); what it replaces is a name registered for an earlier occupant in the very moment it
    // ended, and is ours to take away.
    struct apus__name *stale = apus_exchange_acq_rel(&process->name, claimed);
    if (stale)
        apus__name_disclaim(stale);
    apus__rcu_read_unlock();
}

// Takes the entry out of the table and then out of the cell, unless there is another one by now. False if somebody else has taken it out
// of the table; else it is to be freed, outside the read section, which frees others on the way. In a read section.
static bool name_take_out(struct apus_process *process, struct apus__name *entry)
{
    struct apus__name *mine = entry;
    bool is_ours = apus__names_remove(apus__world.names, entry);
    apus_cas_strong_seqcst(&process->name, &mine, NULL);
    return is_ours;
}

// What lies in the cell. In a read section.
static struct apus__name *name_of_cell(struct apus_process *process)
{
    // seq_cst: at the end of a process after the store of pid 0; pairs with the compare-and-swap and the load in name_attach(). Observes
    // what the entry says; pairs with apus__name_install(), too.
    return apus_load_seqcst(&process->name);
}

void apus__name_release(struct apus_process *process)
{
    apus__rcu_read_lock();
    struct apus__name *name = name_of_cell(process);
    bool is_ours = name && name_take_out(process, name);
    apus__rcu_read_unlock();
    if (is_ours)
        apus__name_free(name);
}

// Whether what lies in the cell is the name of the process with this pid.
static bool name_is_of(struct apus__name *name, uint64_t pid)
{
    return name && apus__name_value(name) == pid && !apus__name_is_gone(name);
}

// Puts the entry into the cell of its living process. In a read section.
static int name_attach(struct apus_process *process, struct apus__name *entry)
{
    struct apus__name *there = NULL;
    uint64_t pid = apus__name_value(entry);
    // seq_cst, this and the last load: publish the name, then see whether the process has ended. Pairs with name_of_cell().
    while (!apus_cas_strong_seqcst(&process->name, &there, entry)) {
        if (name_is_of(there, pid))
            return -EALREADY;
        // The pid after the entry: if it is still the process's, what was found is of no later one, and has been left over.
        if (apus_load_seqcst(&process->pid) != pid)
            return -ESRCH;
        if (there)
            apus__name_disclaim(there);
    }
    return apus_load_seqcst(&process->pid) == pid ? 0 : -ESRCH;
}

int apus__name_register(const char *name, apus_pid pid)
{
    struct apus__name *entry;
    struct apus_process *process = apus__find(pid);
    size_t length;
    if (apus__name_check(name, &length))
        return -EINVAL;
    // relaxed: see apus__doom().
    if (!process || apus_load_relaxed(&process->doomed) == pid.id)
        return -ESRCH;
    int result = apus__name_claim(name, pid, &entry);
    if (result)
        return result;
    apus__rcu_read_lock();
    result = name_attach(process, entry);
    bool is_ours = result && name_take_out(process, entry);
    apus__rcu_read_unlock();
    if (is_ours)
        apus__name_free(entry);
    return result;
}

int apus__name_whereis(const char *name, apus_pid *pid)
{
    size_t length;
    *pid = APUS_NOBODY;
    if (apus__name_check(name, &length))
        return -EINVAL;
    // A process that is being spawned has its name before it can be found by its pid: until then the name is nobody's.
    if (apus__names_find(apus__world.names, name, length, &pid->id) && apus__find(*pid))
        return 0;
    *pid = APUS_NOBODY;
    return -ESRCH;
}

int apus__name_unregister(const char *name)
{
    apus_pid pid;
    int result = apus__name_whereis(name, &pid);
    if (result)
        return result;
    struct apus_process *process = apus__cell_at((uint32_t)pid.id);
    apus__rcu_read_lock();
    struct apus__name *entry = name_of_cell(process);
    bool is_ours = name_is_of(entry, pid.id) && strcmp(apus__name_text(entry), name) == 0 && name_take_out(process, entry);
    apus__rcu_read_unlock();
    if (is_ours)
        apus__name_free(entry);
    return is_ours ? 0 : -ESRCH;
}

bool apus__name_copy(struct apus_process *process, char *text, size_t size)
{
    apus__rcu_read_lock();
    struct apus__name *name = name_of_cell(process);
    bool has_name = name_is_of(name, apus__pid(process).id);
    if (has_name) {
        size_t length = strnlen(apus__name_text(name), size - 1);
        memcpy(text, apus__name_text(name), length);
        text[length] = 0;
    }
    apus__rcu_read_unlock();
    return has_name;
}
