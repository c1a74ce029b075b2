// otp/supervised.c - the children of a supervisor: their memory, what their arguments own, their birth.
#include "otp/supervisor_internal.h"

#include <string.h>

// What the supervisor needs beyond what the options of a child say.
static void supervisor_complete_options(struct apus__supervisor *supervisor, struct apus__child_block *block)
{
    apus_spawn_options *options = &block->options;
    options->flags |= APUS_SPAWN_LINK | APUS_SPAWN_ACK | APUS_SPAWN_MONITOR;
    options->monitor = &supervisor->monitor;
    if (block->spec.supervisor != NULL) {
        options->flags |= APUS_SPAWN_TRAP_EXITS;
        if (options->name == NULL)
            options->name = block->spec.supervisor->name;
    }
}

static void supervised_set_policy(struct apus__supervised *supervised)
{
    const apus_child_spec *spec = supervised->spec;
    supervised->child.shutdown_ms = apus__child_spec_shutdown_ms(spec);
    supervised->child.restart = (uint8_t)spec->restart;
    supervised->child.kind = (uint8_t)apus__child_spec_kind(spec);
    supervised->child.significant = spec->significant;
    supervised->child.backoff = spec->backoff.initial_ms > 0 ? &spec->backoff : NULL;
}

static size_t supervised_head_size(void)
{
    return (sizeof(struct apus__supervised) + 15) & ~(size_t)15;
}

void apus__supervised_free(struct apus__supervisor *supervisor, struct apus__supervised *supervised)
{
    apus__child_spec_forget(supervised->spec, supervised->argument, supervised->argument_size);
    apus__store_give(&supervisor->store, supervised, supervised->size);
}

struct apus__supervised *apus__supervised_new(struct apus__supervisor *supervisor, const apus_child_spec *spec)
{
    size_t size = supervised_head_size() + apus__child_spec_size(spec);
    struct apus__supervised *supervised = apus__store_take(&supervisor->store, size);
    if (supervised == NULL)
        return NULL;
    struct apus__child_block *block = apus__child_spec_pack(spec, (char *)supervised + supervised_head_size());
    supervisor_complete_options(supervisor, block);
    *supervised = (struct apus__supervised){
        .child = {.id = block->spec.id},
        .spec = &block->spec,
        .argument = block->spec.argument,
        .argument_size = block->spec.argument_size,
        .size = size,
    };
    supervised_set_policy(supervised);
    apus__child_spec_keep(supervised->spec, supervised->argument, supervised->argument_size);
    supervisor->has_custom_starts |= spec->start != NULL;
    return supervised;
}

struct apus__supervised *apus__supervised_new_extra(struct apus__supervisor *supervisor, const apus_child_spec *merged)
{
    bool own = merged->argument != supervisor->template->spec.argument;
    size_t argument_size = own ? (merged->argument_size + 15) & ~(size_t)15 : 0;
    size_t id_size = merged->id != NULL ? strlen(merged->id) + 1 : 0;
    size_t size = supervised_head_size() + argument_size + id_size;
    struct apus__supervised *supervised = apus__store_take(&supervisor->store, size);
    if (supervised == NULL)
        return NULL;
    char *place = (char *)supervised + supervised_head_size();
    *supervised = (struct apus__supervised){
        .child = {.id = id_size > 0 ? memcpy(place + argument_size, merged->id, id_size) : NULL},
        .spec = &supervisor->template->spec,
        .argument = own ? memcpy(place, merged->argument, merged->argument_size) : merged->argument,
        .argument_size = merged->argument_size,
        .size = size,
    };
    supervised_set_policy(supervised);
    apus__child_spec_keep(supervised->spec, supervised->argument, supervised->argument_size);
    return supervised;
}

void apus__supervisor_free_dropped(struct apus__supervisor *supervisor)
{
    struct apus__child *child;
    while ((child = apus__children_take_dropped(&supervisor->decision.children)) != NULL) {
        struct apus__supervised *supervised = (struct apus__supervised *)child;
        if (supervised->timer.id != 0)
            apus_cancel(supervised->timer, NULL);
        apus__supervised_free(supervisor, supervised);
    }
}

int apus__supervisor_take_template(struct apus__supervisor *supervisor, const apus_supervisor_spec *spec)
{
    if (spec->child_count == 0)
        return 0;
    int status = apus__child_spec_check(spec->children, spec, supervisor->failure);
    if (status != 0)
        return status;
    void *place = apus__store_take(&supervisor->store, apus__child_spec_size(spec->children));
    if (place == NULL)
        return -ENOMEM;
    supervisor->template = apus__child_spec_pack(spec->children, place);
    apus__child_spec_keep(&supervisor->template->spec, supervisor->template->spec.argument, supervisor->template->spec.argument_size);
    supervisor_complete_options(supervisor, supervisor->template);
    supervisor->has_custom_starts = spec->children->start != NULL;
    return 0;
}

int apus__supervised_spawn(const struct apus__supervised *supervised, apus_pid *pid)
{
    const apus_child_spec *spec = supervised->spec;
    if (spec->supervisor == NULL) {
        apus__child_spec_keep(spec, supervised->argument, supervised->argument_size);
        int result = spec->behaviour != NULL
                         ? apus_spawn(spec->behaviour, supervised->argument, supervised->argument_size, spec->options, pid)
                         : apus_spawn_blocking(spec->body, supervised->argument, supervised->argument_size, spec->options, pid);
        if (result != 0)
            apus__child_spec_forget(spec, supervised->argument, supervised->argument_size);
        return result;
    }
    struct apus__supervisor_argument argument = {.by_address = spec->supervisor};
    return apus_spawn(&apus__supervisor_behaviour, &argument, sizeof argument, spec->options, pid);
}

void apus__supervisor_forget_children(struct apus__supervisor *supervisor)
{
    apus__supervisor_free_dropped(supervisor);
    for (struct apus__child *child = supervisor->decision.children.first; child != NULL; child = child->next) {
        const struct apus__supervised *supervised = (struct apus__supervised *)child;
        apus__child_spec_forget(supervised->spec, supervised->argument, supervised->argument_size);
    }
    if (supervisor->template != NULL) {
        const apus_child_spec *spec = &supervisor->template->spec;
        apus__child_spec_forget(spec, spec->argument, spec->argument_size);
    }
}
