#define _GNU_SOURCE 1
#include "scheduler/report.h"

#include "os/clock.h"
#include "os/futex.h"
#include "os/symbol.h"
#include "os/thread.h"
#include "process/name.h"
#include "rcu/rcu.h"
#include "scheduler/monitor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { LINKS_TOLD = 16, FATAL_WAIT_MS = 2000, TEXT_MAX = 16 << 10, FIELD = 128 };

// What is written down of a process.
struct report {
    struct report *next;
    bool is_fatal;
    const char *why_not;
    apus_pid pid, parent;
    uint32_t scheduler, thread;
    struct timespec at;
    char behaviour[FIELD], name[FIELD], label[64], type[FIELD], reason_text[APUS_REASON_TEXT_MAX + 1];
    const char *callback;
    apus_reason reason;
    uint64_t mailbox, links;
    apus_pid linked[LINKS_TOLD];
    unsigned record_count;
    struct apus__record records[APUS__RECORDS]; // oldest first
    unsigned frame_count;
    uintptr_t frames[APUS__FRAMES_MAX];
};

static struct {
    void (*log)(const apus_log *entry, void *context);
    void *context;
    _Atomic(struct report *) waiting; // newest first
    _Atomic uint64_t lost;            // there was no memory for them
    _Atomic(struct report *) fatal;   // on the stack of a handler that waits
    _Atomic uint32_t fatal_done;      // futex
} reports;

// --- Writing down ---------------------------------------------------------------------------------------------------------------

static void field_set(char *field, size_t size, const char *text)
{
    size_t length = text ? strnlen(text, size - 1) : 0;
    if (length)
        memcpy(field, text, length);
    field[length] = 0;
}

static void report_link(struct apus__relation *relation, void *context)
{
    struct report *report = context;
    if (relation->kind != APUS__LINKED || relation->unlink_id)
        return;
    if (report->links < LINKS_TOLD)
        report->linked[report->links].id = relation->peer;
    report->links++;
}

static const char *report_callback(const struct apus_process *process)
{
    if (process->flags & APUS__CLEANING)
        return "cleanup";
    if (process->flags & APUS__ENDING)
        return "terminate";
    if (process->flags & APUS__BLOCKING)
        return "body";
    return process->flags & APUS__STARTED ? "handle" : "init";
}

static void report_name(struct report *report, struct apus_process *process)
{
    // acquire: the text. Pairs with apus__name_install() and name_attach(). Only its owner takes a process's name away for good; a name
    // that is being taken away by another thread lives until a grace period is over.
    struct apus__name *name = apus_load_acquire(&process->name);
    if (name)
        field_set(report->name, sizeof report->name, name->text);
}

static void report_records(struct report *report, const struct apus__owner *here)
{
    for (uint32_t i = 0; i < APUS__RECORDS; i++) {
        const struct apus__record *record = &here->records[(here->record_next + i) % APUS__RECORDS];
        if (record->what)
            report->records[report->record_count++] = *record;
    }
}

static void report_process(struct report *report, const struct apus__owner *here, struct apus_process *process,
                           const apus_message *handling)
{
    report->pid = process->flags & APUS__DEPARTED ? apus__pid_of_departed(process) : apus__pid(process);
    report->parent = process->parent;
    report->scheduler = here->id;
    report->callback = report_callback(process);
    field_set(report->behaviour, sizeof report->behaviour, process->behaviour->name);
    if (process->extra)
        field_set(report->label, sizeof report->label, process->extra->label);
    if (handling && handling->type && handling->kind <= APUS__LAST_VISIBLE)
        field_set(report->type, sizeof report->type, handling->type->name);
    for (const apus_message *message = process->first; message; message = apus__mailbox_next(process, message))
        report->mailbox += message->kind <= APUS__LAST_VISIBLE;
    apus__relation_each(process, report_link, report);
    report_records(report, here);
}

static void report_fault(struct report *report, const struct apus__fault *fault, const apus_reason *reason)
{
    clock_gettime(CLOCK_REALTIME, &report->at);
    report->reason = *reason;
    field_set(report->reason_text, sizeof report->reason_text, reason->text);
    report->reason.text = report->reason_text[0] ? report->reason_text : NULL;
    report->frame_count = fault->frame_count;
    memcpy(report->frames, fault->frames, fault->frame_count * sizeof *fault->frames);
}

void *apus__report_room(void)
{
    return apus__inject_fail(APUS__INJECT_MALLOC) ? NULL : calloc(1, sizeof(struct report));
}

void apus__report_crash(struct apus__slot *slot, struct apus_process *process, const apus_message *handling,
                        const struct apus__fault *fault, const apus_reason *reason, void *room)
{
    struct report *report = room;
    if (!report) {
        apus_add_relaxed(&reports.lost, 1);
        return;
    }
    report_process(report, &slot->owner, process, handling);
    report_name(report, process);
    report_fault(report, fault, reason);
    report->next = apus_load_relaxed(&reports.waiting);
    // release: the record. Pairs with the exchange in apus__report_flush().
    while (!apus_cas_weak_release(&reports.waiting, &report->next, report)) {
    }
    apus__monitor_ring();
}

// --- Writing out ----------------------------------------------------------------------------------------------------------------

struct text {
    size_t length, size;
    char *bytes;
};

__attribute__((format(printf, 2, 3))) static void text_add(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text->bytes + text->length, text->size - text->length, format, arguments);
    va_end(arguments);
    text->length += length > 0 ? (size_t)length : 0;
    if (text->length >= text->size)
        text->length = text->size - 1;
}

static void text_add_pid(struct text *text, uint64_t id)
{
    text_add(text, "<%u.%u>", (unsigned)(uint32_t)id, (unsigned)(id >> 32)); // index and generation
}

static const char *kind_name(uintptr_t kind)
{
    static const char *const names[] = {
        [APUS__EXIT] = "exit signal", [APUS__LINK_EXIT] = "exit over a link", [APUS__LINK] = "link", [APUS__UNLINK] = "unlink",
        [APUS__UNLINK_ACK] = "unlink ack", [APUS__MONITOR] = "monitor", [APUS__DEMONITOR] = "demonitor", [APUS__DOWN] = "down",
        [APUS__ABANDON] = "abandon", [APUS__INFO] = "info", [APUS__SPACE] = "space", [APUS__STOP] = "stop"};
    return kind < sizeof names / sizeof *names && names[kind] ? names[kind] : "signal";
}

// A record names a message by its type's address, any other signal by its kind.
static const char *record_name(const struct apus__record *record)
{
    return (uintptr_t)record->what < 256 ? kind_name((uintptr_t)record->what) : ((const apus_type *)record->what)->name;
}

static void text_add_frame(struct text *text, uintptr_t pc, bool is_first, bool has_time)
{
    char name[256];
    apus__symbol(is_first ? pc : pc - 1, has_time, name, sizeof name);
    text_add(text, "%#" PRIxPTR " %s", pc, name);
}

static void text_add_stack(struct text *text, const struct report *report, bool has_time)
{
    for (unsigned i = 0; i < report->frame_count; i++) {
        unsigned first = i;
        while (i + 1 < report->frame_count && report->frames[i + 1] == report->frames[first])
            i++;
        text_add(text, "  #%u ", first);
        text_add_frame(text, report->frames[first], first == 0, has_time);
        if (i > first)
            text_add(text, ", and %u more like it", i - first);
        text_add(text, "\n");
    }
    if (report->frame_count == APUS__FRAMES_MAX)
        text_add(text, "  ...\n");
}

static void report_as_text(const struct report *report, struct text *text)
{
    char reason[APUS_REASON_TEXT_MAX + 160];
    apus_reason_text(&report->reason, reason, sizeof reason);
    text_add(text, "apus: ");
    if (report->pid.id) {
        text_add(text, "process ");
        text_add_pid(text, report->pid.id);
        text_add(text, " (%s%s%s%s%s) ", report->behaviour, report->name[0] ? ", named " : "", report->name,
                 report->label[0] ? ", " : "", report->label);
    }
    text_add(text, "%s\n", reason);
    if (report->is_fatal)
        text_add(text, "  not contained: %s; the program ends\n", report->why_not);
    if (report->pid.id) {
        text_add(text, "  in %s", report->callback);
        if (report->type[0])
            text_add(text, " of a message of type \"%s\"", report->type);
        text_add(text, ", on scheduler %u; parent ", report->scheduler);
        text_add_pid(text, report->parent.id);
        text_add(text, "; %" PRIu64 " messages waiting; %" PRIu64 " links", report->mailbox, report->links);
        for (unsigned i = 0; i < LINKS_TOLD && i < report->links; i++) {
            text_add(text, i ? " " : ": ");
            text_add_pid(text, report->linked[i].id);
        }
        text_add(text, "\n");
    }
    text_add_stack(text, report, true);
    if (report->record_count)
        text_add(text, "  last signals on this scheduler, latest last:\n");
    for (unsigned i = 0; i < report->record_count; i++) {
        const struct apus__record *record = &report->records[i];
        text_add(text, "    ");
        text_add_pid(text, record->from);
        text_add(text, " -> ");
        text_add_pid(text, record->to);
        text_add(text, " %s\n", record_name(record));
    }
}

static void json_string(struct text *text, const char *key, const char *value)
{
    text_add(text, ",\"%s\":\"", key);
    for (const unsigned char *byte = (const unsigned char *)value; *byte; byte++) {
        if (*byte == '"' || *byte == '\\')
            text_add(text, "\\%c", *byte);
        else if (*byte < 0x20)
            text_add(text, "\\u%04x", *byte);
        else
            text_add(text, "%c", *byte);
    }
    text_add(text, "\"");
}

static void json_pid(struct text *text, uint64_t id)
{
    text_add(text, "\"%u.%u\"", (unsigned)(uint32_t)id, (unsigned)(id >> 32));
}

static void report_as_json(const struct report *report, struct text *text)
{
    char line[APUS_REASON_TEXT_MAX + 160];
    text_add(text, "{\"event\":\"%s\",\"time\":%lld.%06ld", report->is_fatal ? "fatal" : "crash", (long long)report->at.tv_sec,
             report->at.tv_nsec / 1000);
    apus_reason_text(&report->reason, line, sizeof line);
    json_string(text, "reason", line);
    text_add(text, ",\"signal\":%d,\"address\":%" PRIu64 ",\"pc\":%" PRIu64, report->reason.code, report->reason.address,
             report->reason.pc);
    if (report->is_fatal)
        json_string(text, "not_contained", report->why_not);
    if (report->pid.id) {
        text_add(text, ",\"pid\":");
        json_pid(text, report->pid.id);
        text_add(text, ",\"parent\":");
        json_pid(text, report->parent.id);
        json_string(text, "behaviour", report->behaviour);
        json_string(text, "name", report->name);
        json_string(text, "label", report->label);
        json_string(text, "callback", report->callback);
        json_string(text, "message", report->type);
        text_add(text, ",\"scheduler\":%u,\"mailbox\":%" PRIu64 ",\"link_count\":%" PRIu64 ",\"links\":[", report->scheduler,
                 report->mailbox, report->links);
        for (unsigned i = 0; i < LINKS_TOLD && i < report->links; i++) {
            text_add(text, i ? "," : "");
            json_pid(text, report->linked[i].id);
        }
        text_add(text, "]");
    }
    text_add(text, ",\"stack\":[");
    for (unsigned i = 0; i < report->frame_count; i++) {
        struct text frame = {0, sizeof line, line};
        text_add_frame(&frame, report->frames[i], i == 0, true);
        text_add(text, i ? ",{\"frame\":%u" : "{\"frame\":%u", i);
        json_string(text, "at", line);
        text_add(text, "}");
    }
    text_add(text, "],\"signals\":[");
    for (unsigned i = 0; i < report->record_count; i++) {
        text_add(text, i ? ",{\"from\":" : "{\"from\":");
        json_pid(text, report->records[i].from);
        text_add(text, ",\"to\":");
        json_pid(text, report->records[i].to);
        json_string(text, "what", record_name(&report->records[i]));
        text_add(text, "}");
    }
    text_add(text, "]}");
}

// --- Handing out ----------------------------------------------------------------------------------------------------------------

static void write_all(const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(STDERR_FILENO, bytes, size);
        if (written <= 0)
            return;
        bytes += written;
        size -= (size_t)written;
    }
}

static void report_out(const struct report *report)
{
    static char plain[TEXT_MAX], json[2 * TEXT_MAX]; // the monitor's
    struct text as_text = {0, sizeof plain, plain}, as_json = {0, sizeof json, json};
    report_as_text(report, &as_text);
    if (!reports.log) {
        write_all(plain, as_text.length);
        return;
    }
    report_as_json(report, &as_json);
    apus_log entry = {.struct_size = sizeof entry, .kind = report->is_fatal ? APUS_LOG_FATAL : APUS_LOG_CRASH, .pid = report->pid,
                      .reason = report->reason, .text = plain, .json = json};
    reports.log(&entry, reports.context);
}

void apus__report_line(apus_log_kind kind, apus_pid pid, const char *line)
{
    char plain[512], json[1024];
    struct text as_text = {0, sizeof plain, plain}, as_json = {0, sizeof json, json};
    text_add(&as_text, "apus: %s\n", line);
    if (!reports.log) {
        if (kind == APUS_LOG_WARNING)
            write_all(plain, as_text.length);
        return;
    }
    text_add(&as_json, "{\"event\":\"%s\",\"pid\":", kind == APUS_LOG_WARNING ? "warning" : "rescue");
    json_pid(&as_json, pid.id);
    json_string(&as_json, "text", line);
    text_add(&as_json, "}");
    apus_log entry = {.struct_size = sizeof entry, .kind = kind, .pid = pid, .text = plain, .json = json};
    reports.log(&entry, reports.context);
}

void apus__report_flush(void)
{
    // acquire: the handler's record. Pairs with apus__report_fatal().
    struct report *fatal = apus_load_acquire(&reports.fatal);
    if (fatal) {
        report_out(fatal);
        apus_store_release(&reports.fatal, NULL);
        apus_store_release(&reports.fatal_done, 1);
        apus__futex_wake(&reports.fatal_done, UINT32_MAX >> 1);
    }
    // acquire: the records. Pairs with apus__report_crash().
    struct report *newest = apus_exchange_acquire(&reports.waiting, NULL), *oldest = NULL;
    while (newest) {
        struct report *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct report *next = oldest->next;
        report_out(oldest);
        free(oldest);
        oldest = next;
    }
}

static void report_raw(const struct report *report)
{
    char plain[4096];
    struct text text = {0, sizeof plain, plain};
    char reason[APUS_REASON_TEXT_MAX + 160];
    apus_reason_text(&report->reason, reason, sizeof reason);
    text_add(&text, "apus: %s\n  not contained: %s; the program ends\n", reason, report->why_not);
    text_add_stack(&text, report, false);
    write_all(plain, text.length);
}

void apus__report_fatal(struct apus_process *process, const struct apus__fault *fault, const char *why_not)
{
    static _Atomic uint32_t taken;
    static struct report report; // of the first one; nobody comes after it
    apus_reason reason = {APUS_REASON_FAULT, fault->signal, NULL, fault->address, fault->pc};
    if (apus_exchange_acq_rel(&taken, 1))
        return;
    report.is_fatal = true;
    report.why_not = why_not;
    report_fault(&report, fault, &reason);
    if (process && apus__local.carrier)
        report_process(&report, apus__world.owners[apus_load_relaxed(&process->owner)], process, NULL);
    if (apus__monitor_is_other() && !apus__process_is_fork()) {
        // release: the record. Pairs with apus__report_flush().
        apus_store_release(&reports.fatal, &report);
        apus__monitor_ring();
        uint64_t until = apus__clock_ns() + (uint64_t)FATAL_WAIT_MS * 1000000;
        while (!apus_load_acquire(&reports.fatal_done) && apus__clock_ns() < until)
            apus__futex_wait(&reports.fatal_done, 0, (uint64_t)FATAL_WAIT_MS * 1000000);
    }
    if (!apus_load_acquire(&reports.fatal_done))
        report_raw(&report);
}

void apus__report_start(const apus_options *options)
{
    reports.log = options->log;
    reports.context = options->log_context;
}
