#include "otp/child_spec.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// Packing -------------------------------------------------------------------------------------------------------------------------

static size_t spec_aligned(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

static size_t spec_text_size(const char *text)
{
    return text != NULL ? spec_aligned(strlen(text) + 1) : 0;
}

// Copies `size` bytes to *place, moves it on, and returns the copy; NULL stays NULL.
static void *spec_put(char **place, const void *from, size_t size)
{
    if (from == NULL)
        return NULL;
    void *copy = memcpy(*place, from, size);
    *place += spec_aligned(size);
    return copy;
}

static const char *spec_put_text(char **place, const char *text)
{
    return text != NULL ? spec_put(place, text, strlen(text) + 1) : NULL;
}

static void *spec_moved(const void *pointer, uintptr_t from, uintptr_t to)
{
    return pointer != NULL ? (void *)((uintptr_t)pointer - from + to) : NULL;
}

bool apus__child_spec_is_readable(const apus_child_spec *spec)
{
    return spec != NULL && spec->struct_size == sizeof *spec && (spec->argument != NULL || spec->argument_size == 0) &&
           spec->argument_size <= APUS_MESSAGE_SIZE_MAX / 2 &&
           (spec->options == NULL || spec->options->struct_size == sizeof *spec->options);
}

size_t apus__child_spec_size(const apus_child_spec *spec)
{
    size_t size = spec_aligned(sizeof(struct apus__child_block)) + spec_aligned(spec->argument_size) + spec_text_size(spec->id);
    if (spec->options != NULL)
        size += spec_text_size(spec->options->name) + spec_text_size(spec->options->label);
    return size;
}

struct apus__child_block *apus__child_spec_pack(const apus_child_spec *spec, void *at)
{
    struct apus__child_block *block = at;
    char *place = (char *)at + spec_aligned(sizeof *block);
    *block = (struct apus__child_block){.spec = *spec, .base = (uintptr_t)at, .has_options = spec->options != NULL};
    block->options.struct_size = sizeof block->options;
    if (spec->options != NULL)
        block->options = *spec->options;
    block->spec.options = &block->options;
    block->spec.argument = spec->argument_size > 0 ? spec_put(&place, spec->argument, spec->argument_size) : NULL;
    block->spec.id = spec_put_text(&place, spec->id);
    block->options.name = spec_put_text(&place, block->options.name);
    block->options.label = spec_put_text(&place, block->options.label);
    block->size = (size_t)(place - (char *)at);
    return block;
}

void apus__child_spec_rebase(struct apus__child_block *block)
{
    uintptr_t from = block->base, to = (uintptr_t)block;
    block->spec.options = &block->options;
    block->spec.argument = spec_moved(block->spec.argument, from, to);
    block->spec.id = spec_moved(block->spec.id, from, to);
    block->options.name = spec_moved(block->options.name, from, to);
    block->options.label = spec_moved(block->options.label, from, to);
    block->base = to;
}

bool apus__supervisor_spec_is_readable(const apus_supervisor_spec *spec)
{
    if (spec == NULL || spec->struct_size != sizeof *spec || (spec->children == NULL && spec->child_count > 0))
        return false;
    size_t total = 0;
    for (size_t i = 0; i < spec->child_count; i++) {
        if (!apus__child_spec_is_readable(&spec->children[i]))
            return false;
        total += apus__child_spec_size(&spec->children[i]) + sizeof(apus_child_spec);
        if (total > APUS_MESSAGE_SIZE_MAX / 2)
            return false;
    }
    return true;
}

size_t apus__supervisor_spec_size(const apus_supervisor_spec *spec)
{
    size_t size = spec_aligned(sizeof(struct apus__supervisor_block)) + spec_text_size(spec->name) +
                  spec_aligned(spec->child_count * sizeof(apus_child_spec));
    for (size_t i = 0; i < spec->child_count; i++)
        size += apus__child_spec_size(&spec->children[i]);
    return size;
}

void apus__supervisor_spec_pack(const apus_supervisor_spec *spec, void *at)
{
    struct apus__supervisor_block *block = at;
    char *place = (char *)at + spec_aligned(sizeof *block);
    *block = (struct apus__supervisor_block){.spec = *spec, .base = (uintptr_t)at};
    block->spec.name = spec_put_text(&place, spec->name);
    apus_child_spec *children = (apus_child_spec *)(void *)place;
    block->spec.children = children;
    place += spec_aligned(spec->child_count * sizeof *children);
    for (size_t i = 0; i < spec->child_count; i++) {
        struct apus__child_block *child = apus__child_spec_pack(&spec->children[i], place);
        place += child->size;
        children[i] = child->spec;
        if (!child->has_options)
            children[i].options = NULL;
    }
}

void apus__supervisor_spec_rebase(struct apus__supervisor_block *block)
{
    uintptr_t from = block->base, to = (uintptr_t)block;
    apus_child_spec *children = spec_moved(block->spec.children, from, to);
    block->spec.name = spec_moved(block->spec.name, from, to);
    block->spec.children = children;
    block->base = to;
    for (size_t i = 0; i < block->spec.child_count; i++) {
        children[i].id = spec_moved(children[i].id, from, to);
        children[i].argument = spec_moved(children[i].argument, from, to);
        apus_spawn_options *options = spec_moved(children[i].options, from, to);
        children[i].options = options;
        if (options == NULL)
            continue;
        options->name = spec_moved(options->name, from, to);
        options->label = spec_moved(options->label, from, to);
    }
}

// Holding -------------------------------------------------------------------------------------------------------------------------

// One that is wrong, and will be refused, owns nothing.
static const apus_type *spec_owning_type(const apus_child_spec *spec, size_t size)
{
    return spec->keep != NULL && size > 0 && spec->options != NULL ? spec->options->argument_type : NULL;
}

void apus__child_spec_keep(const apus_child_spec *spec, const void *argument, size_t size)
{
    if (spec_owning_type(spec, size) != NULL)
        spec->keep(argument, size);
}

void apus__child_spec_forget(const apus_child_spec *spec, const void *argument, size_t size)
{
    const apus_type *type = spec_owning_type(spec, size);
    if (type != NULL && type->drop != NULL)
        type->drop((void *)(uintptr_t)argument, size, type);
}

// Checking ------------------------------------------------------------------------------------------------------------------------

static int spec_wrong(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int spec_wrong(char *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, APUS__SPEC_TEXT, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

int apus__supervisor_spec_check(const apus_supervisor_spec *spec, char text[APUS__SPEC_TEXT])
{
    if (spec->struct_size != sizeof *spec)
        return spec_wrong(text, "the supervisor's struct_size is not sizeof(apus_supervisor_spec)");
    if ((unsigned)spec->strategy > APUS_DYNAMIC)
        return spec_wrong(text, "the strategy is none of the four");
    if ((unsigned)spec->auto_shutdown > APUS_AUTO_SHUTDOWN_ALL_SIGNIFICANT)
        return spec_wrong(text, "auto_shutdown is out of range");
    if (spec->children == NULL && spec->child_count > 0)
        return spec_wrong(text, "there are no children, but child_count is not 0");
    if (spec->strategy == APUS_DYNAMIC && spec->child_count > 1)
        return spec_wrong(text, "a dynamic supervisor has one template, not %zu children", spec->child_count);
    return 0;
}

static const char *spec_shown(const apus_child_spec *spec)
{
    return spec->id != NULL ? spec->id : "";
}

// What is wrong with the numbers of a backoff, or NULL.
static const char *spec_backoff_wrong(const apus_backoff *backoff)
{
    if (!(backoff->factor == 0 || (backoff->factor >= 1 && backoff->factor <= 1e9)))
        return "the backoff's factor is below 1";
    if (!(backoff->jitter >= 0 && backoff->jitter <= 1))
        return "the backoff's jitter is not within 0 and 1";
    return NULL;
}

// What is wrong with the options, or NULL.
static const char *spec_options_wrong(const apus_child_spec *spec)
{
    const apus_spawn_options *options = spec->options;
    if (options == NULL)
        return spec->keep ? "keep needs an argument_type in the options" : NULL;
    if ((options->argument_type == NULL) != (spec->keep == NULL))
        return "keep and the options' argument_type need each other";
    return options->flags & APUS_SPAWN_MONITOR ? "APUS_SPAWN_MONITOR is the supervisor's" : NULL;
}

static const char *spec_start_wrong(const apus_child_spec *spec)
{
    int ways = (spec->behaviour != NULL) + (spec->body != NULL) + (spec->supervisor != NULL) + (spec->start != NULL);
    if (ways == 0)
        return "there is no way to start it";
    if (ways > 1)
        return "there are several ways to start it";
    return spec->behaviour != NULL && spec->behaviour->name == NULL ? "its behaviour has no name" : NULL;
}

static const char *spec_significant_wrong(const apus_child_spec *spec, const apus_supervisor_spec *supervisor)
{
    if (!spec->significant)
        return NULL;
    if (spec->restart == APUS_PERMANENT)
        return "a permanent child cannot be significant";
    return supervisor->auto_shutdown == APUS_AUTO_SHUTDOWN_NEVER ? "a significant child needs auto_shutdown" : NULL;
}

int apus__child_spec_check(const apus_child_spec *spec, const apus_supervisor_spec *supervisor, char text[APUS__SPEC_TEXT])
{
    if (!apus__child_spec_is_readable(spec))
        return spec_wrong(text, "a child's struct_size, argument or options' struct_size is wrong");
    if (spec->id == NULL && supervisor->strategy != APUS_DYNAMIC)
        return spec_wrong(text, "a child has no id");
    const char *wrong = spec_start_wrong(spec);
    if (wrong == NULL)
        wrong = spec_significant_wrong(spec, supervisor);
    if (wrong == NULL)
        wrong = spec_options_wrong(spec);
    if (wrong == NULL)
        wrong = spec_backoff_wrong(&spec->backoff);
    if (wrong == NULL && ((unsigned)spec->restart > APUS_TEMPORARY || (unsigned)spec->kind > APUS_SUPERVISOR))
        wrong = "its restart or kind is out of range";
    return wrong != NULL ? spec_wrong(text, "child \"%.60s\": %s", spec_shown(spec), wrong) : 0;
}

// Templates -----------------------------------------------------------------------------------------------------------------------

static bool spec_has_start(const apus_child_spec *spec)
{
    return spec->behaviour != NULL || spec->body != NULL || spec->supervisor != NULL || spec->start != NULL;
}

apus_child_spec apus__child_spec_merge(const apus_child_spec *template, const apus_child_spec *spec)
{
    apus_child_spec merged = *template;
    merged.id = spec != NULL ? spec->id : NULL;
    if (spec == NULL)
        return merged;
    if (spec_has_start(spec)) {
        merged.behaviour = spec->behaviour;
        merged.body = spec->body;
        merged.supervisor = spec->supervisor;
        merged.start = spec->start;
    }
    if (spec->argument_size > 0) {
        merged.argument = spec->argument;
        merged.argument_size = spec->argument_size;
    }
    if (spec->keep != NULL)
        merged.keep = spec->keep;
    if (spec->options != NULL)
        merged.options = spec->options;
    if (spec->restart != APUS_PERMANENT)
        merged.restart = spec->restart;
    if (spec->kind != APUS_WORKER)
        merged.kind = spec->kind;
    if (spec->significant)
        merged.significant = true;
    if (spec->shutdown_ms != APUS_SHUTDOWN_DEFAULT)
        merged.shutdown_ms = spec->shutdown_ms;
    if (spec->start_timeout_ms != 0)
        merged.start_timeout_ms = spec->start_timeout_ms;
    if (spec->backoff.initial_ms != 0)
        merged.backoff = spec->backoff;
    return merged;
}

bool apus__child_spec_is_extra_only(const apus_child_spec *spec)
{
    return !spec_has_start(spec) && spec->options == NULL && spec->keep == NULL && spec->restart == APUS_PERMANENT && spec->kind == APUS_WORKER &&
           !spec->significant && spec->shutdown_ms == APUS_SHUTDOWN_DEFAULT && spec->start_timeout_ms == 0 &&
           spec->backoff.initial_ms == 0;
}

uint64_t apus__child_spec_shutdown_ms(const apus_child_spec *spec)
{
    if (spec->shutdown_ms != APUS_SHUTDOWN_DEFAULT)
        return spec->shutdown_ms;
    return apus__child_spec_kind(spec) == APUS_SUPERVISOR ? APUS_INFINITY : 5000;
}
