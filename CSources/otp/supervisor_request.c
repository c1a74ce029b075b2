// otp/supervisor_request.c - what a supervisor is asked, and its answers.
#include "otp/supervisor_internal.h"

#include <stdio.h>
#include <string.h>

const apus_type apus__supervisor_begin = {.name = "supervisor.begin"};
const apus_type apus__supervisor_start_child = {.name = "supervisor.start_child"};
const apus_type apus__supervisor_restart = {.name = "supervisor.restart_child"};
const apus_type apus__supervisor_terminate = {.name = "supervisor.terminate_child"};
const apus_type apus__supervisor_delete = {.name = "supervisor.delete_child"};
const apus_type apus__supervisor_terminate_pid = {.name = "supervisor.terminate_pid"};
const apus_type apus__supervisor_which = {.name = "supervisor.which_children"};
const apus_type apus__supervisor_count = {.name = "supervisor.count_children"};
const apus_type apus__supervisor_stop = {.name = "supervisor.stop"};

static int supervisor_refuse(struct apus__supervisor *supervisor, int status)
{
    apus__supervisor_answer(supervisor, status, APUS_NOBODY);
    return APUS_OK;
}

struct apus__supervised *apus__supervisor_take_child(struct apus__supervisor *supervisor, const apus_child_spec *given,
                                                const apus_supervisor_spec *rules, int *status)
{
    struct apus__child_block *template = supervisor->template;
    if (given == NULL && template == NULL) {
        snprintf(supervisor->failure, sizeof supervisor->failure, "there is no template, and no spec was given");
        *status = -EINVAL;
        return NULL;
    }
    apus_child_spec spec = template != NULL ? apus__child_spec_merge(&template->spec, given) : *given;
    apus_child_spec checked = spec;
    if (template != NULL && spec.options == template->spec.options) {
        checked.options = NULL; // they have been checked, and completed with flags that a user may not set
        checked.keep = NULL;
    }
    *status = apus__child_spec_check(&checked, rules, supervisor->failure);
    if (*status != 0)
        return NULL;
    bool extra_only = template != NULL && (given == NULL || apus__child_spec_is_extra_only(given));
    struct apus__supervised *supervised =
        extra_only ? apus__supervised_new_extra(supervisor, &spec) : apus__supervised_new(supervisor, &spec);
    if (supervised == NULL)
        *status = -ENOMEM;
    return supervised;
}

static bool supervisor_is_dynamic(const struct apus__supervisor *supervisor)
{
    return supervisor->decision.strategy == &apus__strategy_dynamic;
}

static int supervisor_start_child(struct apus__supervisor *supervisor, const apus_message *message, uint64_t now_ms)
{
    struct apus__child_block *block = apus_message_size(message) > 0 ? apus_message_payload(message) : NULL;
    apus_supervisor_spec rules = {
        .strategy = supervisor_is_dynamic(supervisor) ? APUS_DYNAMIC : APUS_ONE_FOR_ONE,
        .auto_shutdown = supervisor->decision.auto_shutdown,
    };
    if (block != NULL) {
        apus__child_spec_rebase(block);
        if (!block->has_options)
            block->spec.options = NULL;
    }
    int status;
    const apus_child_spec *spec = block != NULL ? &block->spec : NULL;
    struct apus__supervised *supervised = apus__supervisor_take_child(supervisor, spec, &rules, &status);
    if (supervised == NULL)
        return supervisor_refuse(supervisor, status);
    return apus__supervisor_perform(supervisor,
                                    (struct apus__event){.kind = APUS__EVENT_ADD, .child = &supervised->child, .now_ms = now_ms});
}

static int supervisor_request_by_id(struct apus__supervisor *supervisor, enum apus__event_kind kind, const apus_message *message,
                                    uint64_t now_ms)
{
    struct apus__child *child = apus__children_find_id(&supervisor->decision.children, apus_message_payload(message));
    return apus__supervisor_perform(supervisor, (struct apus__event){.kind = kind, .child = child, .now_ms = now_ms});
}

static int supervisor_terminate_pid(struct apus__supervisor *supervisor, const apus_message *message, uint64_t now_ms)
{
    apus_pid pid = *(const apus_pid *)apus_message_payload(message);
    if (!supervisor_is_dynamic(supervisor))
        return supervisor_refuse(supervisor, -EINVAL);
    struct apus__child *child = apus__children_find_pid(&supervisor->decision.children, pid);
    if (child == NULL && !apus_is_alive(pid))
        return supervisor_refuse(supervisor, 0); // as OTP: there is nothing left to stop
    return apus__supervisor_perform(supervisor,
                                    (struct apus__event){.kind = APUS__EVENT_TERMINATE, .child = child, .now_ms = now_ms});
}

static void supervisor_describe(const struct apus__child *child, apus_child_info *info)
{
    *info = (apus_child_info){
        .pid = apus__child_pid(child),
        .kind = (apus_child_kind)child->kind,
        .restart = (apus_restart)child->restart,
        .restarting = child->state == APUS__CHILD_RESTARTING,
        .restarts = child->restarts,
    };
    if (child->id != NULL)
        memcpy(info->id, child->id, strnlen(child->id, sizeof info->id - 1));
}

static int supervisor_which_children(struct apus__supervisor *supervisor, const apus_message *message)
{
    const struct apus__children *children = &supervisor->decision.children;
    size_t wanted = *(const size_t *)apus_message_payload(message);
    size_t count = wanted < children->count ? wanted : children->count;
    size_t size = sizeof(struct apus__supervisor_list) + count * sizeof(apus_child_info);
    struct apus__supervisor_list *list = apus__store_take(&supervisor->store, size);
    if (list == NULL)
        return supervisor_refuse(supervisor, -ENOMEM);
    list->total = children->count;
    const struct apus__child *child = children->first;
    for (size_t i = 0; i < count; i++, child = child->next)
        supervisor_describe(child, &list->children[i]);
    supervisor->request = NULL;
    apus__supervisor_reply(message, list, size);
    apus__store_give(&supervisor->store, list, size);
    return APUS_OK;
}

static int supervisor_count_children(struct apus__supervisor *supervisor, const apus_message *message)
{
    apus_child_counts counts;
    apus__decision_count(&supervisor->decision, &counts);
    supervisor->request = NULL;
    apus__supervisor_reply(message, &counts, sizeof counts);
    return APUS_OK;
}

// The caller is answered by the supervisor's end. If that is its own parent, the link must not end it in turn.
static int supervisor_stop(struct apus__supervisor *supervisor, const apus_message *message, uint64_t now_ms)
{
    supervisor->request = NULL;
    apus_pid parent = apus_parent_of(supervisor->self);
    if (parent.id != 0 && apus_pid_equal(apus_message_from(message), parent))
        apus_unlink(supervisor->self, parent);
    return apus__supervisor_perform(supervisor, (struct apus__event){.kind = APUS__EVENT_STOP,
                                                                     .reason = apus_reason_of(APUS_REASON_SHUTDOWN),
                                                                     .now_ms = now_ms});
}

int apus__supervisor_request(struct apus__supervisor *supervisor, const apus_message *message, uint64_t now_ms)
{
    const apus_type *type = apus_message_type(message);
    supervisor->request = message;
    supervisor->failure[0] = '\0';
    supervisor->has_reason = false;
    if (type == &apus__supervisor_start_child)
        return supervisor_start_child(supervisor, message, now_ms);
    if (type == &apus__supervisor_restart)
        return supervisor_request_by_id(supervisor, APUS__EVENT_RESTART, message, now_ms);
    if (type == &apus__supervisor_terminate)
        return supervisor_request_by_id(supervisor, APUS__EVENT_TERMINATE, message, now_ms);
    if (type == &apus__supervisor_delete)
        return supervisor_request_by_id(supervisor, APUS__EVENT_DELETE, message, now_ms);
    if (type == &apus__supervisor_terminate_pid)
        return supervisor_terminate_pid(supervisor, message, now_ms);
    if (type == &apus__supervisor_which)
        return supervisor_which_children(supervisor, message);
    if (type == &apus__supervisor_count)
        return supervisor_count_children(supervisor, message);
    return supervisor_stop(supervisor, message, now_ms);
}
