#include "CApusSwift.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SWIFT_CC __attribute__((swiftcall))
#define SWIFT_CONTEXT __attribute__((swift_context))

typedef SWIFT_CC int (*start_function)(apus_process *, void *, void *, SWIFT_CONTEXT const void *);
typedef SWIFT_CC int (*handle_function)(apus_process *, void *, apus_message *, SWIFT_CONTEXT const void *);
typedef int (*bare_handle_function)(apus_process *, void *, apus_message *);
typedef SWIFT_CC void (*terminate_function)(apus_process *, void *, const apus_reason *, SWIFT_CONTEXT const void *);
typedef SWIFT_CC void (*cleanup_function)(apus_process *, void *, SWIFT_CONTEXT const void *);
typedef SWIFT_CC void (*value_function)(void *, SWIFT_CONTEXT const void *);
typedef SWIFT_CC bool (*match_function)(const apus_message *, SWIFT_CONTEXT const void *);

// --- Programs -------------------------------------------------------------------------------------------------------------------

static const apus_swift_program *program_of(void *state)
{
    return *(const apus_swift_program **)state;
}

static void *argument_value(const apus_swift_program *program, void *argument)
{
    return (char *)argument + program->argument_offset;
}

static int program_init(apus_process *self, void *state, const void *argument)
{
    const apus_swift_program *program = program_of((void *)(uintptr_t)argument);
    *(const apus_swift_program **)state = program;
    apus_argument_take(self);
    return ((start_function)program->start.function)(self, state, argument_value(program, (void *)(uintptr_t)argument),
                                                      program->start.context);
}

static int program_handle(apus_process *self, void *state, apus_message *message)
{
    const apus_swift_program *program = program_of(state);
    return ((handle_function)program->handle.function)(self, state, message, program->handle.context);
}

static void program_terminate(apus_process *self, void *state, const apus_reason *reason)
{
    const apus_swift_program *program = program_of(state);
    ((terminate_function)program->terminate.function)(self, state, reason, program->terminate.context);
}

static void program_cleanup(apus_process *self, void *state)
{
    const apus_swift_program *program = program_of(state);
    ((cleanup_function)program->cleanup.function)(self, state, program->cleanup.context);
}

static void program_discard(void *argument, size_t size, const apus_type *type)
{
    const apus_swift_program *program = type->context;
    (void)size;
    ((value_function)program->discard.function)(argument_value(program, argument), program->discard.context);
}

void apus_swift_body(apus_process *self, void *argument)
{
    const apus_swift_program *program = program_of(argument);
    apus_argument_take(self);
    ((start_function)program->start.function)(self, argument, argument_value(program, argument), program->start.context);
}

extern void *swift_retain(void *object); // of the Swift runtime

void apus_swift_keep(const void *argument, size_t size)
{
    (void)size;
    swift_retain(((void *const *)argument)[1]);
}

// glibc returns to the system what lies free at the end of a thread's memory beyond twice the largest block that was mapped by itself and
// freed, at first 256 KB (M_MMAP_THRESHOLD in mallopt(3)). Messages are arrays here, made by one process and freed by another: of a few on the
// way of 256 KB each would be found anew, page by page. So one that is large enough, and is never touched, goes first. Limits that the user has
// set do not move by this.
static void malloc_raise_limits(void)
{
    enum { KEPT_BLOCK = 8 << 20 };
    void *volatile block = malloc(KEPT_BLOCK);
    free(block);
}

static void prepare(void)
{
    malloc_raise_limits();
    apus_swift_install_hooks();
}

void apus_swift_program_make(apus_swift_program *program, const char *name, size_t state_size, size_t argument_offset,
                             apus_swift_closure start, apus_swift_closure handle, apus_swift_closure terminate,
                             apus_swift_closure cleanup, apus_swift_closure discard)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare);
    *program = (apus_swift_program){
        .behaviour = {.name = name,
                      .state_size = state_size,
                      .init = program_init,
                      .handle = handle.context ? program_handle : (bare_handle_function)(uintptr_t)handle.function,
                      .terminate = program_terminate,
                      .cleanup = program_cleanup},
        .argument_type = {.name = name, .drop = program_discard, .context = program},
        .argument_offset = argument_offset,
        .start = start,
        .handle = handle,
        .terminate = terminate,
        .cleanup = cleanup,
        .discard = discard,
    };
}

// --- Message types --------------------------------------------------------------------------------------------------------------

static void type_drop(void *payload, size_t size, const apus_type *type)
{
    const apus_swift_closure *destroy = type->context;
    (void)size;
    ((value_function)destroy->function)(payload, destroy->context);
}

void apus_swift_type_make(apus_swift_type *type, const char *name, const apus_swift_closure *destroy)
{
    if (destroy)
        type->destroy = *destroy;
    type->type = (apus_type){.name = name, .drop = destroy ? type_drop : NULL, .context = destroy ? &type->destroy : NULL};
}

// The flags in the value witness table, which lies before the metadata (swift/ABI/MetadataValues.h, ValueWitnessFlags).
static uint32_t metadata_flags(const void *metadata)
{
    enum { FLAGS_OFFSET = 80 };
    const char *witnesses = ((const char *const *)metadata)[-1];
    return *(const uint32_t *)(const void *)(witnesses + FLAGS_OFFSET);
}

bool apus_swift_is_bitwise_takable(const void *metadata)
{
    return !(metadata_flags(metadata) & 0x00100000);
}

bool apus_swift_is_trivial(const void *metadata)
{
    return !(metadata_flags(metadata) & 0x00010000);
}

// --- Matching -------------------------------------------------------------------------------------------------------------------

bool apus_swift_match_type(const apus_message *message, void *type)
{
    return apus_message_type(message) == type;
}

bool apus_swift_match_closure(const apus_message *message, void *closure)
{
    const apus_swift_closure *match = closure;
    return ((match_function)match->function)(message, match->context);
}

bool apus_swift_match_system(const apus_message *message, void *unused)
{
    const apus_type *type = apus_message_type(message);
    (void)unused;
    return type == &apus_type_exit || type == &apus_type_down || type == &apus_type_timeout || type == &apus_type_io ||
           type == &apus_type_started || apus_message_is_reply(message);
}

const apus_type *apus_swift_system_type(long which)
{
    static const apus_type *const types[] = {
        [APUS_SWIFT_EXIT] = &apus_type_exit, [APUS_SWIFT_DOWN] = &apus_type_down, [APUS_SWIFT_TIMEOUT] = &apus_type_timeout,
        [APUS_SWIFT_IO] = &apus_type_io,     [APUS_SWIFT_STARTED] = &apus_type_started,
        [APUS_SWIFT_SYSTEM] = &apus_type_system,
    };
    return types[which];
}

// --- Tables ---------------------------------------------------------------------------------------------------------------------

apus_swift_entry apus_swift_types[APUS_SWIFT_TABLE_SIZE];
apus_swift_entry apus_swift_programs[APUS_SWIFT_TABLE_SIZE];
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;

static apus_swift_entry *table_next(apus_swift_entry *entries, const apus_swift_entry *entry)
{
    return entries + (entry - entries + 1) % APUS_SWIFT_TABLE_SIZE;
}

void *apus_swift_find_further(const apus_swift_entry *entries, const void *metadata)
{
    for (const apus_swift_entry *entry = apus_swift_first_place(entries, metadata);; entry = table_next((apus_swift_entry *)entries, entry)) {
        // acquire: the value. Pairs with the release in table_add().
        const void *key = __atomic_load_n(&entry->key, __ATOMIC_ACQUIRE);
        if (key == metadata)
            return entry->value;
        if (!key)
            return NULL;
    }
}

static void *table_add(apus_swift_entry *entries, const void *metadata, const void *value)
{
    enum { FULL = APUS_SWIFT_TABLE_SIZE - APUS_SWIFT_TABLE_SIZE / 8 };
    pthread_mutex_lock(&table_lock);
    void *found = apus_swift_find_in(entries, metadata);
    if (!found) {
        apus_swift_entry *entry = (apus_swift_entry *)apus_swift_first_place(entries, metadata);
        for (size_t seen = 0; entry->key; entry = table_next(entries, entry)) {
            if (++seen > FULL) {
                fputs("Apus: more than 7,000 types of messages or processes\n", stderr);
                abort();
            }
        }
        found = (void *)(uintptr_t)value;
        entry->value = found;
        // release: the value, and what it points to. Pairs with apus_swift_find_in() and apus_swift_find_further().
        __atomic_store_n(&entry->key, metadata, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&table_lock);
    return found;
}

const apus_type *apus_swift_add_type(const void *metadata, const apus_type *type)
{
    return table_add(apus_swift_types, metadata, type);
}

const apus_swift_program *apus_swift_add_program(const void *metadata, const apus_swift_program *program)
{
    return table_add(apus_swift_programs, metadata, program);
}

// --- Threads that wait ----------------------------------------------------------------------------------------------------------

unsigned apus_swift_thread_number(void)
{
    static unsigned given;
    static __thread unsigned mine;
    if (mine == 0)
        mine = __atomic_add_fetch(&given, 1, __ATOMIC_RELAXED); // relaxed: any number will do
    return mine;
}
