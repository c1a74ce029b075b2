// process/reason.c - exit reasons as text, and copying them with their own text.
//
// A reason is written as its kind, what belongs to the kind, and then ": text" if it has one. Everything is appended through one
// writer that counts on past the end of the buffer, which gives the length of the whole as snprintf does. Nothing here allocates or
// takes a lock, so that a report of a fault may use it.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // strerrordesc_np
#endif
#include "process/reason.h"

#include "base/assert.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// What has been written so far. `length` goes on past `size`, the bytes do not.
struct reason_writer {
    char *buffer;
    size_t size;
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void reason_append(struct reason_writer *writer, const char *format, ...)
{
    size_t used = writer->length < writer->size ? writer->length : writer->size;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(used < writer->size ? writer->buffer + used : NULL, writer->size - used, format, arguments);
    va_end(arguments);
    apus_check(length >= 0);
    writer->length += (size_t)length;
}

// The names of the signals that a fault can be, and of those that people raise.
static const char *reason_signal_name(int number)
{
    switch (number) {
    case SIGSEGV:
        return "SIGSEGV";
    case SIGBUS:
        return "SIGBUS";
    case SIGFPE:
        return "SIGFPE";
    case SIGILL:
        return "SIGILL";
    case SIGTRAP:
        return "SIGTRAP";
    case SIGABRT:
        return "SIGABRT";
    case SIGSYS:
        return "SIGSYS";
    default:
        return NULL;
    }
}

// The kinds that are one word. NULL for the others.
static const char *reason_word(apus_reason_kind kind)
{
    switch (kind) {
    case APUS_REASON_NORMAL:
        return "normal";
    case APUS_REASON_SHUTDOWN:
        return "shutdown";
    case APUS_REASON_KILL:
        return "kill";
    case APUS_REASON_KILLED:
        return "killed";
    case APUS_REASON_NOPROC:
        return "noproc";
    case APUS_REASON_NOCONNECTION:
        return "noconnection";
    case APUS_REASON_TIMEOUT:
        return "timeout";
    case APUS_REASON_ERROR:
    case APUS_REASON_FAULT:
        break;
    }
    return NULL;
}

// A negative code is an errno, described in the words of the system; every other number is the program's own.
static void reason_append_error(struct reason_writer *writer, int32_t code)
{
    const char *description = code < 0 && code != INT32_MIN ? strerrordesc_np(-code) : NULL;
    reason_append(writer, "error %" PRId32, code);
    if (description)
        reason_append(writer, " (%s)", description);
}

static void reason_append_fault(struct reason_writer *writer, const apus_reason *reason)
{
    const char *name = reason_signal_name(reason->code);
    if (name)
        reason_append(writer, "fault: %s", name);
    else
        reason_append(writer, "fault: signal %" PRId32, reason->code);
    reason_append(writer, " at 0x%" PRIx64 ", pc 0x%" PRIx64, reason->address, reason->pc);
}

size_t apus_reason_text(const apus_reason *reason, char *buffer, size_t size)
{
    struct reason_writer writer = {buffer, size, 0};
    const char *word = reason_word(reason->kind);
    if (word)
        reason_append(&writer, "%s", word);
    else if (reason->kind == APUS_REASON_ERROR)
        reason_append_error(&writer, reason->code);
    else if (reason->kind == APUS_REASON_FAULT)
        reason_append_fault(&writer, reason);
    else
        reason_append(&writer, "reason %d", (int)reason->kind);
    if (reason->kind == APUS_REASON_SHUTDOWN && reason->code != 0)
        reason_append(&writer, "(%" PRId32 ")", reason->code);
    if (reason->text)
        reason_append(&writer, ": %s", reason->text);
    return writer.length;
}

// The length to which a text is cut. Bytes 10xxxxxx go on with a character, so the cut moves back to where a character begins; text
// that is no UTF-8, with more of them in a row than a character can have, is cut at the limit.
static size_t reason_cut(const char *text)
{
    size_t length = strnlen(text, APUS_REASON_TEXT_MAX + 1);
    if (length <= APUS_REASON_TEXT_MAX)
        return length;
    size_t cut = APUS_REASON_TEXT_MAX;
    while (cut > APUS_REASON_TEXT_MAX - 3 && ((unsigned char)text[cut] & 0xc0) == 0x80)
        cut--;
    return ((unsigned char)text[cut] & 0xc0) == 0x80 ? APUS_REASON_TEXT_MAX : cut;
}

size_t apus__reason_text_size(const apus_reason *reason)
{
    return reason->text ? reason_cut(reason->text) + 1 : 0;
}

size_t apus__reason_size(const apus_reason *reason)
{
    return sizeof *reason + apus__reason_text_size(reason);
}

apus_reason apus__reason_store(void *text_area, const apus_reason *reason)
{
    apus_reason stored = *reason;
    if (reason->text) {
        size_t length = reason_cut(reason->text);
        char *text = text_area;
        memcpy(text, reason->text, length);
        text[length] = '\0';
        stored.text = text;
    }
    return stored;
}
