// scheduler/report_text.h - a report, as it is written down beside the process and as people and machines read it.
#ifndef APUS_SCHEDULER_REPORT_TEXT_H
#define APUS_SCHEDULER_REPORT_TEXT_H

#include <time.h>

#include "os/fault.h"
#include "process/owner.h"

// How many links are told, how far messages are counted, and how long texts may be.
enum { APUS__REPORT_LINKS = 16, APUS__REPORT_MESSAGES = 1000, APUS__REPORT_FIELD = 128, APUS__REPORT_TEXT_MAX = 16 << 10 };

// What is written down of a process: plain, with raw addresses. Each string is empty if there is nothing to say.
struct apus__report {
    struct apus__report *next;
    apus_log_kind kind;
    const char *why_not; // of a fatal one
    uint32_t for_ms;     // of a rescue: how long its callback had taken,
    bool is_asleep;      // and what its thread was doing
    apus_pid pid, parent;
    uint32_t scheduler;
    struct timespec at;
    char behaviour[APUS__REPORT_FIELD], name[APUS__REPORT_FIELD], label[64], type[APUS__REPORT_FIELD];
    char reason_text[APUS_REASON_TEXT_MAX + 1];
    const char *callback;
    apus_reason reason;
    bool knows_around; // what follows, and the type
    uint64_t mailbox, links;
    apus_pid linked[APUS__REPORT_LINKS];
    unsigned record_count;
    struct apus__record records[APUS__RECORDS]; // oldest first
    unsigned frame_count;
    uintptr_t frames[APUS__FRAMES_MAX];
};

// A buffer that text is added to as long as there is room.
struct apus__text {
    size_t length, size;
    char *bytes;
};

void apus__text_add(struct apus__text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void apus__text_add_json(struct apus__text *text, const char *key, const char *value); // ,"key":"value"

// What the functions on a stack are called.
struct apus__frame_names {
    char of[APUS__FRAMES_MAX][256];
};

// Finds them. Takes about a millisecond, allocates, and reads files.
void apus__report_name_frames(const struct apus__report *report, struct apus__frame_names *names);

// For people, and as one JSON object on one line.
void apus__report_as_text(const struct apus__report *report, const struct apus__frame_names *names, struct apus__text *text);
void apus__report_as_json(const struct apus__report *report, const struct apus__frame_names *names, struct apus__text *text);

// The least, async-signal-safe.
void apus__report_as_raw_text(const struct apus__report *report, struct apus__text *text);

#endif
