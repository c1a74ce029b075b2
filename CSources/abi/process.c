#include "abi/enter.h"
#include "scheduler/monitor.h"
#include "scheduler/wait.h"

apus_cold static apus_process *self_otherwise(void)
{
    struct apus__owner *here = apus__rejoin();
    apus_process *self = here ? here->current : apus__is_refused() ? apus__carrier_process(apus__local.carrier) : NULL;
    apus__depart();
    return self;
}

apus_process *apus_self(void)
{
    struct apus__owner *here = apus__arrive();
    if (apus_unlikely(!here && apus__local.carrier))
        return self_otherwise();
    apus_process *self = here ? here->current : NULL;
    apus__depart();
    return self;
}

apus_pid apus_pid_of(const apus_process *self)
{
    apus_process *process = (apus_process *)(uintptr_t)self;
    apus_pid pid = process ? apus__pid(process) : APUS_NOBODY;
    // One that has been ended in the middle of its callback has its pid from itself only.
    return pid.id || !process ? pid : apus__pid_of_cell(process);
}

apus_pid apus_parent_of(const apus_process *self)
{
    return self ? self->parent : APUS_NOBODY;
}

bool apus_is_alive(apus_pid pid)
{
    int error;
    struct apus__owner *here = apus__enter(&error);
    if (!here)
        return false;
    struct apus_process *process = apus__find(pid);
    // relaxed: see apus__doom().
    bool is_alive = process && apus_load_relaxed(&process->doomed) != pid.id;
    apus__leave(here);
    return is_alive;
}

// --- Spawning -------------------------------------------------------------------------------------------------------------------

static int spawn_options_check(const apus_spawn_options *options, const struct apus__owner *here)
{
    const unsigned all = APUS_SPAWN_LINK | APUS_SPAWN_MONITOR | APUS_SPAWN_TRAP_EXITS | APUS_SPAWN_ACK | APUS_SPAWN_UNWIND |
                         APUS_SPAWN_KEEP_THREAD;
    const unsigned needs_self = APUS_SPAWN_LINK | APUS_SPAWN_MONITOR | APUS_SPAWN_ACK;
    size_t length;
    if (options->struct_size != sizeof *options || options->flags & ~all || (unsigned)options->priority > APUS_PRIORITY_MAX ||
        (unsigned)options->mailbox_policy > APUS_MAILBOX_BLOCK || options->node < 0 ||
        (options->node > 0 && (unsigned)options->node > apus__world.pool.node_count))
        return -EINVAL;
    if (options->flags & APUS_SPAWN_MONITOR && !options->monitor)
        return -EINVAL;
    if (options->name && apus__name_check(options->name, &length))
        return -EINVAL;
    return options->flags & needs_self && !here->current ? -EPERM : 0;
}

static struct apus__wishes wishes_of(const apus_spawn_options *options, struct apus__owner *here)
{
    struct apus__wishes wishes; // the label is long, and seldom there
    wishes.monitor.id = options->flags & APUS_SPAWN_MONITOR ? apus__new_ref(here) : 0;
    wishes.flags = options->flags;
    wishes.is_node_bound = options->node > 0 || options->near.id != 0;
    wishes.priority = (uint8_t)options->priority;
    wishes.name = options->name;
    wishes.mailbox_messages = options->mailbox_messages;
    wishes.mailbox_bytes = options->mailbox_bytes;
    wishes.mailbox_policy = options->mailbox_policy;
    wishes.dead_letters = options->dead_letters;
    wishes.arena_limit = options->arena_limit;
    wishes.label[0] = 0;
    if (options->label)
        strncpy(wishes.label, options->label, sizeof wishes.label - 1)[sizeof wishes.label - 1] = 0;
    return wishes;
}

// An owner on the node, the next one in turn; or NULL if there is none.
static struct apus__owner *spawn_owner_on(struct apus__owner *here, uint32_t node)
{
    uint32_t count = apus__world.owner_count, start = (uint32_t)(apus__new_ref(here) % count);
    for (uint32_t i = 0; i < count; i++) {
        struct apus__owner *owner = apus__world.owners[(start + i) % count];
        if (owner->node == node)
            return owner;
    }
    return NULL;
}

// Where the process is to be: `here` unless the caller is a plain thread or another node is asked for.
static struct apus__owner *spawn_place(struct apus__owner *here, const apus_spawn_options *options)
{
    if (options && options->node > 0) {
        struct apus__owner *owner = spawn_owner_on(here, (uint32_t)options->node - 1);
        if (owner && (here->is_foreign || owner->node != here->node))
            return owner;
    } else if (options && options->near.id) {
        struct apus_process *near = apus__find(options->near);
        uint32_t id = near ? apus_load_relaxed(&near->owner) : here->id;
        if (id != here->id && (here->is_foreign || apus__world.owners[id]->node != here->node))
            return apus__world.owners[id];
    }
    return here->is_foreign ? apus__spawn_anywhere(here) : here;
}

struct apus__owner *apus__spawn_anywhere(struct apus__owner *here)
{
    uint32_t count = apus__world.owner_count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t id = (here->last_used + i) % count;
        uint32_t state = apus__inbox_state(&apus__world.owners[id]->inbox);
        if (state == APUS__PARKED || state == APUS__SPINNING) {
            here->last_used = id;
            break;
        }
    }
    return apus__world.owners[here->last_used % count];
}

// A plain thread that finds no cell with one owner asks the others.
static int spawn_from_thread(struct apus__owner *here, struct apus__owner *there, const struct apus__birth *birth, const void *argument,
                             size_t size, apus_pid *pid)
{
    int result = apus__spawn_there(here, there, birth, argument, size, pid);
    for (uint32_t i = 1; i < apus__world.owner_count && result == -EAGAIN; i++)
        result = apus__spawn_there(here, apus__world.owners[(there->id + i) % apus__world.owner_count], birth, argument, size, pid);
    return result;
}

static int spawn_at(struct apus__owner *here, const struct apus__birth *birth, const void *argument, size_t size,
                    const apus_spawn_options *options, apus_pid *pid)
{
    struct apus__owner *there = spawn_place(here, options);
    if (here->is_foreign)
        return spawn_from_thread(here, there, birth, argument, size, pid);
    if (there != here) {
        int result = apus__spawn_there(here, there, birth, argument, size, pid);
        if (result != -EAGAIN)
            return result;
    }
    return apus__spawn_here(here, birth, argument, size, pid);
}

static void birth_take(struct apus__birth *birth, const apus_spawn_options *options)
{
    birth->argument_type = options->argument_type;
    birth->flags = options->flags & APUS_SPAWN_UNWIND ? APUS__UNWINDS : 0;
}

// Whether they say nothing but what birth_take() takes.
static bool options_are_plain(const apus_spawn_options *options)
{
    return options->struct_size == sizeof *options && !(options->flags & ~(unsigned)APUS_SPAWN_UNWIND) &&
           options->priority == APUS_PRIORITY_NORMAL && !options->name && !options->label && !options->near.id && !options->node &&
           !options->mailbox_messages && !options->mailbox_bytes && !options->mailbox_policy && !options->dead_letters.id &&
           !options->arena_limit;
}

static int spawn_with_options(struct apus__owner *here, struct apus__birth *birth, const void *argument, size_t size,
                              const apus_spawn_options *options, apus_pid *pid)
{
    int result = spawn_options_check(options, here);
    if (result)
        return result;
    struct apus__wishes wishes = wishes_of(options, here);
    birth->wishes = &wishes;
    birth_take(birth, options);
    result = spawn_at(here, birth, argument, size, options, pid);
    if (!result && options->monitor && options->flags & APUS_SPAWN_MONITOR)
        *options->monitor = wishes.monitor;
    return result;
}

apus_inline int spawn(struct apus__birth *birth, const void *argument, size_t size, const apus_spawn_options *options, apus_pid *pid)
{
    int result;
    apus_pid made = APUS_NOBODY;
    struct apus__owner *here = apus__enter(&result);
    if (apus_unlikely(!here))
        return result;
    uint32_t state = apus_load_relaxed(&apus__world.state);
    if (apus_unlikely(state >= APUS__WORLD_KILLING || (state != APUS__WORLD_RUNNING && here->is_foreign))) {
        apus__leave(here);
        return -ESHUTDOWN;
    }
    birth->parent = apus__sender(here);
    if (options && apus_likely(options_are_plain(options))) {
        birth_take(birth, options);
        options = NULL;
    }
    if (apus_likely(!options && !here->is_foreign))
        result = apus__spawn_here(here, birth, argument, size, &made);
    else if (!options)
        result = spawn_at(here, birth, argument, size, NULL, &made);
    else
        result = spawn_with_options(here, birth, argument, size, options, &made);
    apus__leave(here);
    if (pid && !result)
        *pid = made;
    return result;
}

int apus_spawn(const apus_behaviour *behaviour, const void *argument, size_t size, const apus_spawn_options *options, apus_pid *pid)
{
    if (apus_unlikely(!behaviour || !behaviour->name || (!argument && size) || size > APUS_MESSAGE_SIZE_MAX))
        return -EINVAL;
    struct apus__birth birth = {.behaviour = behaviour};
    return spawn(&birth, argument, size, options, pid);
}

int apus_spawn_blocking(void (*body)(apus_process *self, void *argument), const void *argument, size_t size,
                        const apus_spawn_options *options, apus_pid *pid)
{
    if (!body || (!argument && size) || size > APUS_MESSAGE_SIZE_MAX)
        return -EINVAL;
    struct apus__birth birth = {.behaviour = &apus__blocking_behaviour, .body = body};
    return spawn(&birth, argument, size, options, pid);
}

void apus_argument_take(apus_process *self)
{
    int error;
    struct apus__owner *here = apus__enter_self(self, &error);
    if (!here)
        return;
    if (here->handling && here->handling->kind == APUS__SPAWN)
        here->handling->flags |= APUS__TAKEN;
    apus__depart();
}

// --- Ending ---------------------------------------------------------------------------------------------------------------------

static int exit_here(struct apus__owner *here, apus_process *self, apus_reason reason)
{
    struct apus__extra *extra = apus__extra(here, self);
    if (!extra) {
        apus__must_end(here, self, &reason); // no memory to keep a reason for later; a signal's is never refused
        return APUS_EXITED;
    }
    if (extra->exit_reason)
        apus__message_free(here, extra->exit_reason);
    extra->exit_reason = apus__reason_message(here, &reason);
    return APUS_EXITED;
}

int apus_exit(apus_process *self, apus_reason reason)
{
    int result;
    struct apus__owner *here = apus__enter_self(self, &result);
    if (here) {
        result = exit_here(here, self, reason);
        apus__depart();
    }
    return result;
}

int apus_exit_signal(apus_pid to, apus_reason reason)
{
    int result;
    if ((unsigned)reason.kind > APUS_REASON_FAULT)
        return -EINVAL;
    struct apus__owner *here = apus__enter(&result);
    if (!here)
        return result;
    struct apus_process *process = apus__find(to);
    result = process ? 0 : -ESRCH;
    if (process) {
        if (reason.kind == APUS_REASON_KILL)
            apus__doom(process, to);
        apus_pid from = apus__sender(here);
        apus__signal_send(here, to, &(struct apus__signal){APUS__EXIT, from, 0, 0, &reason});
    }
    apus__leave(here);
    return result;
}

int apus_trap_exits(apus_process *self, bool on)
{
    int error;
    if (!apus__enter_self(self, &error))
        return error;
    self->flags = on ? self->flags | APUS__TRAPS : self->flags & ~(uint32_t)APUS__TRAPS;
    apus__depart();
    return 0;
}

int apus_set_priority(apus_process *self, apus_priority priority)
{
    int error;
    if (!apus__enter_self(self, &error))
        return error;
    error = (unsigned)priority > APUS_PRIORITY_MAX ? -EINVAL : 0;
    if (!error)
        self->priority = (uint8_t)priority;
    apus__depart();
    return error;
}

static int set_label_here(struct apus__owner *here, apus_process *self, const char *label)
{
    struct apus__extra *extra = apus__extra(here, self);
    if (!extra)
        return -ENOMEM;
    memset(extra->label, 0, sizeof extra->label);
    if (label)
        memcpy(extra->label, label, strnlen(label, sizeof extra->label - 1));
    return 0;
}

int apus_set_label(apus_process *self, const char *label)
{
    int result;
    struct apus__owner *here = apus__enter_self(self, &result);
    if (here) {
        result = set_label_here(here, self, label);
        apus__depart();
    }
    return result;
}

// --- Waiting --------------------------------------------------------------------------------------------------------------------

static int yield_here(struct apus__owner *here, apus_process *self)
{
    struct apus__wait wait;
    apus__wait_init(&wait);
    wait.yields = true;
    int result = apus__wait_prepare(apus__slot_of(here), &wait);
    if (result)
        return result;
    self->flags |= APUS__READY;
    apus__slot_wait(apus__slot_of(here), &wait, APUS_INFINITY);
    return apus__wait_outcome(self);
}

// A process that keeps taking messages lets others run when its turn is over.
static void receive_use_budget(struct apus__owner *here, apus_process *self)
{
    if (apus_likely(--here->budget > 0) || apus__turn_goes_on(apus__slot_of(here)))
        return;
    apus__turn_begin(apus__slot_of(here)); // in case there is no stack to yield with
    yield_here(here, self);
}

static apus_message *receive_here(struct apus__owner *here, apus_process *self, apus_match *match, void *context, uint64_t timeout_ms)
{
    if (!apus__extra(here, self))
        return NULL;
    receive_use_budget(here, self);
    struct apus__wait wait;
    apus__wait_init(&wait);
    wait.match = match;
    wait.context = context;
    wait.takes_messages = true;
    apus_message *message = apus__wait_take(here, self, &wait);
    if (!message && !apus__inbox_is_empty(&here->inbox)) {
        apus__slot_receive(apus__slot_of(here));
        message = apus__wait_take(here, self, &wait);
    }
    // A process that must end waits in any case, and so ends here.
    if (!message && ((timeout_ms > 0 && !wait.lacks_memory) || self->flags & APUS__EXITING)) {
        if (apus__wait_prepare(apus__slot_of(here), &wait))
            return NULL;
        apus__slot_wait(apus__slot_of(here), &wait, timeout_ms);
        message = wait.result;
    }
    if (message) {
        apus__bound_discount(here, self, message);
        self->extra->serving = 0;
        apus__record(here, message->from.id, apus__pid(self).id, message->type);
        apus_bump_relaxed(&self->tally, UINT64_C(1) << APUS__TALLY_REDUCTIONS);
        apus_bump_relaxed(&here->counters.handled, 1);
    }
    return message;
}

apus_message *apus_receive(apus_process *self, apus_match *match, void *context, uint64_t timeout_ms)
{
    int error;
    struct apus__owner *here = apus__enter_self(self, &error);
    if (!here)
        return NULL;
    apus_message *message = receive_here(here, self, match, context, timeout_ms);
    apus__depart();
    return message;
}

static int sleep_here(struct apus__owner *here, apus_process *self, uint64_t milliseconds)
{
    struct apus__wait wait;
    apus__wait_init(&wait);
    int result = apus__wait_prepare(apus__slot_of(here), &wait);
    if (result)
        return result;
    apus__slot_wait(apus__slot_of(here), &wait, milliseconds);
    return apus__wait_outcome(self);
}

int apus_sleep(apus_process *self, uint64_t milliseconds)
{
    int result;
    struct apus__owner *here = apus__enter_self(self, &result);
    if (here) {
        result = sleep_here(here, self, milliseconds);
        apus__depart();
    }
    return result;
}

int apus_yield(apus_process *self)
{
    int result;
    struct apus__owner *here = apus__enter_self(self, &result);
    if (here) {
        result = yield_here(here, self);
        apus__depart();
    }
    return result;
}

int apus_blocking_begin(apus_process *self)
{
    int error;
    struct apus__owner *here = apus__enter_self(self, &error);
    if (!here)
        return error;
    if (!apus__world.is_simulated && apus__rescue_has_room() && !apus__rescue_oneself(apus__slot_of(here)))
        apus__monitor_want_spares();
    apus__depart();
    return APUS_OK;
}

int apus_blocking_end(apus_process *self)
{
    int error;
    if (!apus__enter_self(self, &error))
        return error;
    apus__depart();
    return APUS_OK;
}

void *apus_alloc(apus_process *self, size_t size)
{
    int error;
    struct apus__owner *here = apus__enter_self(self, &error);
    if (!here)
        return NULL;
    void *memory = apus__arena_alloc(here, self, size);
    apus__depart();
    return memory;
}

static int hibernate_here(struct apus__owner *here, apus_process *self)
{
    apus__extra_trim(here, self);
    return APUS_OK;
}

int apus_hibernate(apus_process *self)
{
    int result;
    struct apus__owner *here = apus__enter_self(self, &result);
    if (here) {
        result = hibernate_here(here, self);
        apus__depart();
    }
    return result;
}

// --- Joining --------------------------------------------------------------------------------------------------------------------

struct join_errand {
    struct apus__errand errand;
    apus_pid pid;
    uint64_t timeout_ms;
    apus_reason reason;
};

static void join_errand_run(struct apus__owner *here, struct apus__errand *errand)
{
    struct join_errand *join = apus_container_of(errand, struct join_errand, errand);
    apus_message *outcome = NULL;
    errand->result = apus__ask(here, join->pid, APUS__MONITOR, 0, join->timeout_ms, &outcome);
    if (errand->result)
        return;
    join->reason = ((apus_down_message *)apus_message_payload(outcome))->reason;
    join->reason.text = NULL;
    apus__message_drop(here, outcome);
}

int apus_join(apus_pid pid, uint64_t timeout_ms, apus_reason *reason)
{
    if (apus_self())
        return -EPERM;
    struct join_errand *join = apus__errand_new(sizeof *join, join_errand_run);
    if (!join)
        return -ENOMEM;
    join->pid = pid;
    join->timeout_ms = timeout_ms;
    bool is_mine;
    int result = apus__run_errand(&join->errand, APUS_NOBODY, APUS_NOBODY, timeout_ms, &is_mine);
    if (!result && reason)
        *reason = join->reason;
    if (is_mine)
        apus__errand_dispose(&join->errand);
    return result;
}
