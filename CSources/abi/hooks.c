#include "scheduler/hooks.h"

int apus_set_hooks(const apus_hooks *hooks)
{
    if (hooks && (hooks->struct_size != sizeof *hooks || !hooks->leave || !hooks->enter))
        return -EINVAL;
    // release: what the functions need. Pairs with apus__hooks_leave().
    apus_store_release(&apus__hooks, hooks);
    return 0;
}
