// process/reason.h - exit reasons that travel: copying one together with its text.
//
// A reason is a plain value whose `text` points elsewhere. Whoever stores one (a signal, a process block) sets aside
// apus__reason_size bytes: the reason itself and, right after it, its text with the final zero.
#ifndef APUS_PROCESS_REASON_H
#define APUS_PROCESS_REASON_H

#include <apus/reason.h>

#include <stddef.h>

// Bytes of the text of a reason as it travels, with the final zero: cut to APUS_REASON_TEXT_MAX bytes before the zero, never in
// the middle of a UTF-8 character. 0 if it has no text.
size_t apus__reason_text_size(const apus_reason *reason);

// Bytes to store a reason with its text appended: sizeof(apus_reason) + apus__reason_text_size.
size_t apus__reason_size(const apus_reason *reason);

// Copies the text to `text_area`, which has room for apus__reason_text_size bytes, and returns the reason with `text` pointing
// there (NULL if it has none; text_area is then not touched).
apus_reason apus__reason_store(void *text_area, const apus_reason *reason);

#endif
