// scheduler/report_text.c - see report_text.h.
#define _GNU_SOURCE 1
#include "scheduler/report_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "os/symbol.h"
#include "process/signal.h"

enum { LINE_MAX_BYTES = APUS_REASON_TEXT_MAX + 160 };

void apus__text_add(struct apus__text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text->bytes + text->length, text->size - text->length, format, arguments);
    va_end(arguments);
    text->length += length > 0 ? (size_t)length : 0;
    if (text->length >= text->size)
        text->length = text->size - 1;
}

// --- Parts ----------------------------------------------------------------------------------------------------------------------

static void text_add_pid(struct apus__text *text, uint64_t id)
{
    apus__text_add(text, "<%u.%u>", (unsigned)(uint32_t)id, (unsigned)(id >> 32)); // index and generation
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

// What has happened, in one line.
static void report_line(const struct apus__report *report, char line[LINE_MAX_BYTES])
{
    if (report->kind == APUS_LOG_RESCUE)
        snprintf(line, LINE_MAX_BYTES, "has been in its callback for %u ms and has lost its scheduler to others", report->for_ms);
    else
        apus_reason_text(&report->reason, line, LINE_MAX_BYTES);
}

// --- The stack ------------------------------------------------------------------------------------------------------------------

// The pc is at the instruction that had the fault; above it are return addresses, which may be those of the next function.
static void frame_name(const struct apus__report *report, unsigned i, bool has_time, char *name, size_t size)
{
    apus__symbol(i == 0 ? report->frames[i] : report->frames[i] - 1, has_time, name, size);
}

void apus__report_name_frames(const struct apus__report *report, struct apus__frame_names *names)
{
    for (unsigned i = 0; i < report->frame_count; i++) {
        if (i > 1 && report->frames[i] == report->frames[i - 1])
            memcpy(names->of[i], names->of[i - 1], sizeof names->of[i]);
        else
            frame_name(report, i, true, names->of[i], sizeof names->of[i]);
    }
}

// Without names it says what takes no time to find out.
static void text_add_frame(struct apus__text *text, const struct apus__report *report, const struct apus__frame_names *names, unsigned i)
{
    char name[256];
    if (!names)
        frame_name(report, i, false, name, sizeof name);
    apus__text_add(text, "%#" PRIxPTR " %s", report->frames[i], names ? names->of[i] : name);
}

static void text_add_stack(struct apus__text *text, const struct apus__report *report, const struct apus__frame_names *names)
{
    for (unsigned i = 0; i < report->frame_count; i++) {
        unsigned first = i;
        while (i + 1 < report->frame_count && report->frames[i + 1] == report->frames[first])
            i++;
        apus__text_add(text, "  #%u ", first);
        text_add_frame(text, report, names, first);
        if (i > first)
            apus__text_add(text, ", and %u more like it", i - first);
        apus__text_add(text, "\n");
    }
    if (report->frame_count == APUS__FRAMES_MAX)
        apus__text_add(text, "  ...\n");
}

static void json_add_stack(struct apus__text *text, const struct apus__report *report, const struct apus__frame_names *names)
{
    char line[LINE_MAX_BYTES];
    apus__text_add(text, ",\"stack\":[");
    for (unsigned i = 0; i < report->frame_count; i++) {
        struct apus__text frame = {0, sizeof line, line};
        text_add_frame(&frame, report, names, i);
        apus__text_add(text, i ? ",{\"frame\":%u" : "{\"frame\":%u", i);
        apus__text_add_json(text, "at", line);
        apus__text_add(text, "}");
    }
    apus__text_add(text, "]");
}

// --- For people -----------------------------------------------------------------------------------------------------------------

static void text_add_who(struct apus__text *text, const struct apus__report *report)
{
    apus__text_add(text, "process ");
    text_add_pid(text, report->pid.id);
    apus__text_add(text, " (%s%s%s%s%s) ", report->behaviour, report->name[0] ? ", named " : "", report->name,
                   report->label[0] ? ", " : "", report->label);
}

static void text_add_around(struct apus__text *text, const struct apus__report *report)
{
    const char *more = report->mailbox < APUS__REPORT_MESSAGES ? "" : " or more";
    apus__text_add(text, "; %" PRIu64 "%s messages waiting; %" PRIu64 " links", report->mailbox, more, report->links);
    for (unsigned i = 0; i < APUS__REPORT_LINKS && i < report->links; i++) {
        apus__text_add(text, i ? " " : ": ");
        text_add_pid(text, report->linked[i].id);
    }
}

static void text_add_process(struct apus__text *text, const struct apus__report *report)
{
    apus__text_add(text, "  in %s", report->callback);
    if (report->type[0])
        apus__text_add(text, " of a message of type \"%s\"", report->type);
    apus__text_add(text, ", on scheduler %u; parent ", report->scheduler);
    text_add_pid(text, report->parent.id);
    if (report->knows_around)
        text_add_around(text, report);
    apus__text_add(text, "\n");
}

static void text_add_records(struct apus__text *text, const struct apus__report *report)
{
    if (report->record_count)
        apus__text_add(text, "  last signals on this scheduler, latest last:\n");
    for (unsigned i = 0; i < report->record_count; i++) {
        const struct apus__record *record = &report->records[i];
        apus__text_add(text, "    ");
        text_add_pid(text, record->from);
        apus__text_add(text, " -> ");
        text_add_pid(text, record->to);
        apus__text_add(text, " %s\n", record_name(record));
    }
}

static void text_add_head(struct apus__text *text, const struct apus__report *report)
{
    char line[LINE_MAX_BYTES];
    report_line(report, line);
    apus__text_add(text, "apus: ");
    if (report->pid.id)
        text_add_who(text, report);
    apus__text_add(text, "%s\n", line);
    if (report->kind == APUS_LOG_FATAL)
        apus__text_add(text, "  not contained: %s; the program ends\n", report->why_not);
    if (report->pid.id)
        text_add_process(text, report);
}

void apus__report_as_text(const struct apus__report *report, const struct apus__frame_names *names, struct apus__text *text)
{
    text_add_head(text, report);
    if (report->kind == APUS_LOG_RESCUE)
        apus__text_add(text, report->is_asleep ? "  asleep; what its stack has of return addresses, some may be old:\n"
                                               : "  computing, in a call of:\n");
    text_add_stack(text, report, names);
    text_add_records(text, report);
}

void apus__report_as_raw_text(const struct apus__report *report, struct apus__text *text)
{
    text_add_head(text, report);
    text_add_stack(text, report, NULL);
}

// --- For machines ---------------------------------------------------------------------------------------------------------------

void apus__text_add_json(struct apus__text *text, const char *key, const char *value)
{
    apus__text_add(text, ",\"%s\":\"", key);
    for (const unsigned char *byte = (const unsigned char *)value; *byte; byte++) {
        if (*byte == '"' || *byte == '\\')
            apus__text_add(text, "\\%c", *byte);
        else if (*byte < 0x20)
            apus__text_add(text, "\\u%04x", *byte);
        else
            apus__text_add(text, "%c", *byte);
    }
    apus__text_add(text, "\"");
}

static void json_add_pid(struct apus__text *text, const char *before, uint64_t id)
{
    apus__text_add(text, "%s\"%u.%u\"", before, (unsigned)(uint32_t)id, (unsigned)(id >> 32));
}

static void json_add_process(struct apus__text *text, const struct apus__report *report)
{
    json_add_pid(text, ",\"pid\":", report->pid.id);
    json_add_pid(text, ",\"parent\":", report->parent.id);
    apus__text_add_json(text, "behaviour", report->behaviour);
    apus__text_add_json(text, "name", report->name);
    apus__text_add_json(text, "label", report->label);
    apus__text_add_json(text, "callback", report->callback);
    apus__text_add_json(text, "message", report->type);
    apus__text_add(text, ",\"scheduler\":%u", report->scheduler);
    if (!report->knows_around)
        return;
    apus__text_add(text, ",\"mailbox\":%" PRIu64 ",\"link_count\":%" PRIu64 ",\"links\":[", report->mailbox, report->links);
    for (unsigned i = 0; i < APUS__REPORT_LINKS && i < report->links; i++)
        json_add_pid(text, i ? "," : "", report->linked[i].id);
    apus__text_add(text, "]");
}

static void json_add_records(struct apus__text *text, const struct apus__report *report)
{
    apus__text_add(text, ",\"signals\":[");
    for (unsigned i = 0; i < report->record_count; i++) {
        json_add_pid(text, i ? ",{\"from\":" : "{\"from\":", report->records[i].from);
        json_add_pid(text, ",\"to\":", report->records[i].to);
        apus__text_add_json(text, "what", record_name(&report->records[i]));
        apus__text_add(text, "}");
    }
    apus__text_add(text, "]");
}

void apus__report_as_json(const struct apus__report *report, const struct apus__frame_names *names, struct apus__text *text)
{
    static const char *const events[] = {[APUS_LOG_CRASH] = "crash", [APUS_LOG_FATAL] = "fatal", [APUS_LOG_RESCUE] = "rescue"};
    char line[LINE_MAX_BYTES];
    report_line(report, line);
    apus__text_add(text, "{\"event\":\"%s\",\"time\":%lld.%06ld", events[report->kind], (long long)report->at.tv_sec,
                   report->at.tv_nsec / 1000);
    if (report->kind == APUS_LOG_RESCUE) {
        apus__text_add_json(text, "text", line);
        apus__text_add(text, ",\"ms\":%u", report->for_ms);
        apus__text_add_json(text, "thread", report->is_asleep ? "asleep" : "computing");
    } else {
        apus__text_add_json(text, "reason", line);
        apus__text_add(text, ",\"signal\":%d,\"address\":%" PRIu64 ",\"pc\":%" PRIu64, report->reason.code, report->reason.address,
                       report->reason.pc);
    }
    if (report->kind == APUS_LOG_FATAL)
        apus__text_add_json(text, "not_contained", report->why_not);
    if (report->pid.id)
        json_add_process(text, report);
    json_add_stack(text, report, names);
    if (report->kind != APUS_LOG_RESCUE)
        json_add_records(text, report);
    apus__text_add(text, "}");
}
