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
    apus__names_remove(apus__world.names, claimed);
}

void apus__name_install(struct apus_process *process, struct apus__name *claimed)
{
    // acq_rel: publishes the entry to apus__name_unregister(); what it replaces is a name registered for an earlier occupant in the
    // very moment it ended, and is ours to take away.
    struct apus__name *stale = apus_exchange_acq_rel(&process->name, claimed);
    if (stale)
        apus__name_disclaim(stale);
}

void apus__name_release(struct apus_process *process)
{
    // seq_cst: after the store of pid 0. Pairs with the compare-and-swap and the load in name_attach().
    struct apus__name *name = apus_exchange_seqcst(&process->name, NULL);
    if (name)
        apus__name_disclaim(name);
}

// Puts the entry into the cell of its living process. In a read section.
static int name_attach(struct apus_process *process, struct apus__name *entry)
{
    struct apus__name *none = NULL;
    // seq_cst, both: publish the name, then see whether the process has ended. Pairs with apus__name_release().
    if (!apus_cas_strong_seqcst(&process->name, &none, entry))
        return -EALREADY;
    if (apus_load_seqcst(&process->pid) == apus__name_value(entry))
        return 0;
    struct apus__name *mine = entry;
    // If the entry is gone from the cell, whoever took it out takes it away.
    return apus_cas_strong_seqcst(&process->name, &mine, NULL) ? -ESRCH : -ENOENT;
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
    apus__rcu_read_unlock();
    if (result == -ENOENT)
        return -ESRCH;
    if (result)
        apus__name_disclaim(entry);
    return result;
}

int apus__name_whereis(const char *name, apus_pid *pid)
{
    size_t length;
    *pid = APUS_NOBODY;
    if (apus__name_check(name, &length))
        return -EINVAL;
    return apus__names_find(apus__world.names, name, length, &pid->id) ? 0 : -ESRCH;
}

int apus__name_unregister(const char *name)
{
    apus_pid pid;
    int result = apus__name_whereis(name, &pid);
    if (result)
        return result;
    struct apus_process *process = apus__cell_at((uint32_t)pid.id);
    apus__rcu_read_lock();
    // acquire: what the entry says. Pairs with apus__name_install() and name_attach().
    struct apus__name *entry = apus_load_acquire(&process->name);
    bool mine = entry && apus__name_value(entry) == pid.id && strcmp(apus__name_text(entry), name) == 0 &&
                apus_cas_strong_seqcst(&process->name, &entry, NULL);
    apus__rcu_read_unlock();
    if (!mine)
        return -ESRCH;
    apus__name_disclaim(entry);
    return 0;
}

bool apus__name_copy(struct apus_process *process, char *text, size_t size)
{
    apus__rcu_read_lock();
    // acquire: the text. Pairs with apus__name_install() and name_attach().
    struct apus__name *name = apus_load_acquire(&process->name);
    if (name) {
        size_t length = strnlen(apus__name_text(name), size - 1);
        memcpy(text, apus__name_text(name), length);
        text[length] = 0;
    }
    apus__rcu_read_unlock();
    return name != NULL;
}
