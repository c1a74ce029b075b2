#include "abi/enter.h"

static int link_here(struct apus__owner *here, apus_process *self, apus_pid to)
{
    apus_pid me = apus__pid(self);
    if (apus_pid_equal(me, to))
        return 0;
    struct apus__relation *link = apus__relation_find(self, APUS__LINKED, to.id);
    if (link && !link->unlink_id)
        return 0;
    if (!apus__find(to) && !(self->flags & APUS__TRAPS))
        return -ESRCH;
    if (link)
        link->unlink_id = 0; // the acknowledgement of that unlink will find another id, and do nothing
    else if (!apus__relation_add(here, self, APUS__LINKED, to.id, to.id, false))
        return -ENOMEM;
    apus__signal_send(here, to, &(struct apus__signal){APUS__LINK, me, 0, 0, NULL});
    return 0;
}

int apus_link(apus_process *self, apus_pid to)
{
    int result;
    struct apus__owner *here = apus__enter_self(self, &result);
    if (here) {
        result = link_here(here, self, to);
        apus__depart();
    }
    return result;
}

static int unlink_here(struct apus__owner *here, apus_process *self, apus_pid to)
{
    struct apus__relation *link = apus__relation_find(self, APUS__LINKED, to.id);
    if (!link || link->unlink_id)
        return 0;
    link->unlink_id = apus__new_ref(here);
    apus__signal_send(here, to, &(struct apus__signal){APUS__UNLINK, apus__pid(self), link->unlink_id, 0, NULL});
    return 0;
}

int apus_unlink(apus_process *self, apus_pid to)
{
    int result;
    struct apus__owner *here = apus__enter_self(self, &result);
    if (here) {
        result = unlink_here(here, self, to);
        apus__depart();
    }
    return result;
}

static int monitor_here(struct apus__owner *here, apus_process *self, apus_pid to, apus_ref *ref)
{
    if (!ref)
        return -EINVAL;
    uint64_t id = apus__new_ref(here);
    if (!apus__relation_add(here, self, APUS__MONITORING, id, to.id, false))
        return -ENOMEM;
    ref->id = id;
    apus__signal_send(here, to, &(struct apus__signal){APUS__MONITOR, apus__pid(self), id, 0, NULL});
    return 0;
}

int apus_monitor(apus_process *self, apus_pid to, apus_ref *ref)
{
    int result;
    struct apus__owner *here = apus__enter_self(self, &result);
    if (here) {
        result = monitor_here(here, self, to, ref);
        apus__depart();
    }
    return result;
}

int apus_monitor_name(apus_process *self, const char *name, apus_ref *ref)
{
    apus_pid to;
    size_t length;
    if (apus__name_check(name, &length))
        return -EINVAL;
    apus_whereis(name, &to);
    return apus_monitor(self, to, ref);
}

// Takes the down message of `ref` out of the mailbox.
static void monitor_flush(struct apus__owner *here, apus_process *self, apus_ref ref)
{
    apus_message *before = NULL, *message = self->first;
    while (message && !(message->type == &apus_type_down && apus_ref_equal(apus_message_ref(message), ref))) {
        before = message;
        message = apus__mailbox_next(self, message);
    }
    if (message) {
        apus__mailbox_take(self, before, message);
        apus__message_free(here, message);
    }
}

static int demonitor_here(struct apus__owner *here, apus_process *self, apus_ref ref, unsigned flags)
{
    if (flags & ~(unsigned)APUS_DEMONITOR_FLUSH)
        return -EINVAL;
    struct apus__relation *monitor = apus__relation_find(self, APUS__MONITORING, ref.id);
    if (!monitor) {
        if (flags & APUS_DEMONITOR_FLUSH)
            monitor_flush(here, self, ref);
        return 0;
    }
    apus_pid peer = {monitor->peer};
    apus__relation_remove(here, self, monitor);
    apus__signal_send(here, peer, &(struct apus__signal){APUS__DEMONITOR, apus__pid(self), ref.id, 0, NULL});
    return 1;
}

int apus_demonitor(apus_process *self, apus_ref ref, unsigned flags)
{
    int result;
    struct apus__owner *here = apus__enter_self(self, &result);
    if (here) {
        result = demonitor_here(here, self, ref, flags);
        apus__depart();
    }
    return result;
}
