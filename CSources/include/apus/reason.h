/* apus/reason.h - why a process ended. */
#ifndef APUS_REASON_H
#define APUS_REASON_H

#include <apus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The kinds of exit reason. Values are stable. */
typedef enum apus_reason_kind {
    APUS_REASON_NORMAL = 0,       /* its work was done */
    APUS_REASON_SHUTDOWN = 1,     /* it was asked to end; `code` 0 for plain `shutdown`, else the term of `shutdown(code)` */
    APUS_REASON_KILL = 2,         /* as a signal: ends the receiver whatever it traps */
    APUS_REASON_KILLED = 3,       /* it was ended by the signal `kill` */
    APUS_REASON_NOPROC = 4,       /* there was no such process */
    APUS_REASON_NOCONNECTION = 5, /* the way to it was lost */
    APUS_REASON_TIMEOUT = 6,      /* it took too long */
    APUS_REASON_ERROR = 7,        /* an error: `code` says which, `text` says what */
    APUS_REASON_FAULT = 8         /* a contained fault: `code` is the signal, with `address` and `pc` */
} apus_reason_kind;

/* An exit reason. A plain value, but `text` points at memory of whoever handed it to you: inside a message it lives as long as
 * the message. Giving one to Apus copies the text (at most APUS_REASON_TEXT_MAX bytes of it). */
typedef struct apus_reason {
    apus_reason_kind kind;
    int32_t code;      /* ERROR: a negative errno or a number of your own; SHUTDOWN: its term; FAULT: the signal number */
    const char *text;  /* UTF-8, or NULL */
    uint64_t address;  /* FAULT: the address that was touched */
    uint64_t pc;       /* FAULT: the instruction that did it */
} apus_reason;

/* Bytes of a reason's text that travel, without the final zero; more is cut off at a character boundary. */
#define APUS_REASON_TEXT_MAX 255

/* Makes a reason of a kind that needs nothing else: `apus_reason_of(APUS_REASON_SHUTDOWN)`. */
static inline apus_reason apus_reason_of(apus_reason_kind kind)
{
    apus_reason reason = {kind, 0, NULL, 0, 0};
    return reason;
}

/* Makes an error reason. `text` may be NULL and must live until the reason has been handed to Apus. */
static inline apus_reason apus_reason_error(int32_t code, const char *text)
{
    apus_reason reason = {APUS_REASON_ERROR, code, text, 0, 0};
    return reason;
}

/* Whether the end was an orderly one: normal or any shutdown. */
static inline bool apus_reason_is_orderly(const apus_reason *reason)
{
    return reason->kind == APUS_REASON_NORMAL || reason->kind == APUS_REASON_SHUTDOWN;
}

/* Writes the reason for people into `buffer`, as snprintf does: always terminated if size > 0, returns the length the whole text
 * has. Examples: "normal", "shutdown(3)", "error -5 (Input/output error): disk gone", "fault: SIGSEGV at 0x10, pc 0x55d2".
 * buffer may be NULL if size is 0. */
APUS_API size_t apus_reason_text(const apus_reason *reason, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif

#endif
