#define _GNU_SOURCE 1
#include "scheduler/report.h"

#include "os/clock.h"
#include "os/futex.h"
#include "os/thread.h"
#include "os/trail.h"
#include "process/life.h"
#include "process/name.h"
#include "rcu/rcu.h"
#include "scheduler/carrier.h"
#include "scheduler/monitor.h"
#include "scheduler/report_text.h"

#include <stdlib.h>
#include <unistd.h>

// How long a program that is about to end waits for the monitor to name the frames. That takes the allocator's and the linker's locks, and the
// program's for its log, any of which the thread that waits may hold: so it cannot wait for ever, and then tells what it can by itself.
enum { FATAL_WAIT_MS = 2000 };

enum { LINE_MAX_BYTES = 512 };

static struct {
    void (*log)(const apus_log *entry, void *context);
    void *context;
    _Atomic(struct apus__report *) waiting; // newest first
    _Atomic uint64_t lost;                 // there was no memory for them
    _Atomic(struct apus__report *) fatal;  // on the stack of a handler that waits
    _Atomic uint32_t fatal_done;           // futex
    struct apus__report stay;              // the monitor's: what apus__report_note() has noted
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
    struct apus__report *report = context;
    if (relation->kind != APUS__LINKED || relation->unlink_id)
        return;
    if (report->links < APUS__REPORT_LINKS)
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

// Where its code is, 0 if that is not known any more.
static uintptr_t report_callback_code(struct apus_process *process)
{
    const apus_behaviour *behaviour = process->behaviour;
    if (process->flags & APUS__CLEANING)
        return (uintptr_t)behaviour->cleanup;
    if (process->flags & APUS__ENDING)
        return (uintptr_t)behaviour->terminate;
    if (process->flags & APUS__BLOCKING)
        return (uintptr_t)*apus__body(process);
    return process->flags & APUS__STARTED ? (uintptr_t)behaviour->handle : (uintptr_t)behaviour->init;
}

static void report_name(struct apus__report *report, struct apus_process *process)
{
    apus__rcu_read_lock(); // another thread may be taking the name away
    // acquire: the text. Pairs with apus__name_install() and name_attach().
    struct apus__name *name = apus_load_acquire(&process->name);
    if (name)
        field_set(report->name, sizeof report->name, apus__name_text(name));
    apus__rcu_read_unlock();
}

static void report_records(struct apus__report *report, const struct apus__owner *here)
{
    for (uint32_t i = 0; i < APUS__RECORDS; i++) {
        const struct apus__record *record = &here->records[(here->record_next + i) % APUS__RECORDS];
        if (record->what)
            report->records[report->record_count++] = *record;
    }
}

// Who it is; nothing of it may be changing but its name.
static void report_who(struct apus__report *report, uint32_t scheduler, struct apus_process *process)
{
    report->pid = process->flags & APUS__DEPARTED ? apus__pid_of_cell(process) : apus__pid(process);
    report->parent = process->parent;
    report->scheduler = scheduler;
    report->callback = report_callback(process);
    field_set(report->behaviour, sizeof report->behaviour, process->behaviour->name);
    if (process->extra)
        field_set(report->label, sizeof report->label, process->extra->label);
    report_name(report, process);
}

// What is around it, by who acts for it.
static void report_around(struct apus__report *report, struct apus_process *process, const apus_message *handling)
{
    report->knows_around = true;
    if (handling && handling->type && handling->kind <= APUS__LAST_VISIBLE)
        field_set(report->type, sizeof report->type, handling->type->name);
    const apus_message *message = process->first;
    for (; message && report->mailbox < APUS__REPORT_MESSAGES; message = apus__mailbox_next(process, message))
        report->mailbox += message->kind <= APUS__LAST_VISIBLE;
    apus__relation_each(process, report_link, report);
}

static void report_fault(struct apus__report *report, const struct apus__fault *fault, const apus_reason *reason)
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
    return apus__inject_fail(APUS__INJECT_MALLOC) ? NULL : calloc(1, sizeof(struct apus__report));
}

void apus__report_crash(struct apus__slot *slot, struct apus_process *process, const apus_message *handling,
                        const struct apus__fault *fault, const apus_reason *reason, void *room)
{
    struct apus__report *report = room;
    if (!report) {
        apus_add_relaxed(&reports.lost, 1);
        apus__monitor_ring(); // to make another spare
        return;
    }
    report->kind = APUS_LOG_CRASH;
    report_who(report, slot->owner.id, process);
    report_around(report, process, handling);
    report_records(report, &slot->owner);
    report_fault(report, fault, reason);
    report->next = apus_load_relaxed(&reports.waiting);
    // release: the record. Pairs with the exchange in apus__report_flush().
    while (!apus_cas_weak_release(&reports.waiting, &report->next, report)) {
    }
    apus__monitor_ring();
}

void apus__report_note(struct apus__slot *slot, struct apus_process *process)
{
    struct apus__report *report = &reports.stay;
    // relaxed: it is the claimed carrier, which does not change.
    const struct apus__carrier *carrier = apus_load_relaxed(&slot->carrier);
    memset(report, 0, sizeof *report);
    report->kind = APUS_LOG_RESCUE;
    report_who(report, slot->owner.id, process);
    report_around(report, process, slot->owner.handling);
    report->frame_count = apus__trail(apus_load_relaxed(&carrier->thread_id), &slot->fiber->stack, report->frames, APUS__FRAMES_MAX);
    report->is_asleep = report->frame_count > 0;
    uintptr_t code = report_callback_code(process);
    if (!report->is_asleep && code)
        report->frames[report->frame_count++] = code;
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

static void report_out(const struct apus__report *report)
{
    static struct apus__frame_names names; // all of these are the monitor's
    static char plain[APUS__REPORT_TEXT_MAX], json[2 * APUS__REPORT_TEXT_MAX];
    struct apus__text as_text = {0, sizeof plain, plain}, as_json = {0, sizeof json, json};
    apus__report_name_frames(report, &names);
    apus__report_as_text(report, &names, &as_text);
    if (!reports.log) {
        write_all(plain, as_text.length);
        return;
    }
    apus__report_as_json(report, &names, &as_json);
    apus_log entry = {.struct_size = sizeof entry, .kind = report->kind, .pid = report->pid, .reason = report->reason, .text = plain,
                      .json = json};
    reports.log(&entry, reports.context);
}

bool apus__report_tells_of_rescues(void)
{
    return reports.log != NULL;
}

void apus__report_rescue(uint32_t for_ms)
{
    clock_gettime(CLOCK_REALTIME, &reports.stay.at);
    reports.stay.for_ms = for_ms;
    report_out(&reports.stay);
}

void apus__report_warning(const char *line)
{
    char plain[LINE_MAX_BYTES], json[2 * LINE_MAX_BYTES];
    struct apus__text as_text = {0, sizeof plain, plain}, as_json = {0, sizeof json, json};
    apus__text_add(&as_text, "apus: %s\n", line);
    if (!reports.log) {
        write_all(plain, as_text.length);
        return;
    }
    apus__text_add(&as_json, "{\"event\":\"warning\"");
    apus__text_add_json(&as_json, "text", line);
    apus__text_add(&as_json, "}");
    apus_log entry = {.struct_size = sizeof entry, .kind = APUS_LOG_WARNING, .text = plain, .json = json};
    reports.log(&entry, reports.context);
}

void apus__report_flush(void)
{
    // acquire: the handler's record. Pairs with apus__report_fatal().
    struct apus__report *fatal = apus_load_acquire(&reports.fatal);
    if (fatal) {
        report_out(fatal);
        apus_store_release(&reports.fatal, NULL);
        apus_store_release(&reports.fatal_done, 1);
        apus__futex_wake(&reports.fatal_done, UINT32_MAX >> 1);
    }
    // acquire: the records. Pairs with apus__report_crash().
    struct apus__report *newest = apus_exchange_acquire(&reports.waiting, NULL), *oldest = NULL;
    while (newest) {
        struct apus__report *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct apus__report *next = oldest->next;
        report_out(oldest);
        free(oldest);
        oldest = next;
    }
}

static void report_raw(const struct apus__report *report)
{
    char plain[4096];
    struct apus__text text = {0, sizeof plain, plain};
    apus__report_as_raw_text(report, &text);
    write_all(plain, text.length);
}

void apus__report_fatal(struct apus_process *process, const struct apus__fault *fault, const char *why_not)
{
    static _Atomic uint32_t taken;
    static struct apus__report report; // of the first one; nobody comes after it
    apus_reason reason = {APUS_REASON_FAULT, fault->signal, NULL, fault->address, fault->pc};
    if (apus_exchange_acq_rel(&taken, 1))
        return;
    report.kind = APUS_LOG_FATAL;
    report.why_not = why_not;
    report_fault(&report, fault, &reason);
    // Inside the runtime it is the process that runs; its mailbox and its links may be half changed. So may they where `here` is NULL:
    // another thread acts for the process.
    const struct apus__owner *here = apus_load_relaxed(&apus__local.here);
    struct apus_process *running = process ? process : here ? here->current : NULL;
    if (running) {
        uint32_t scheduler = apus_load_relaxed(&running->owner);
        report_who(&report, scheduler, running);
        report_records(&report, apus__world.owners[scheduler]);
        if (process && here)
            report_around(&report, process, process == here->current ? here->handling : NULL);
    }
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
