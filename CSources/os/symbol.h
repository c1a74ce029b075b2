// os/symbol.h - names for addresses of code, for reports.
#ifndef APUS_OS_SYMBOL_H
#define APUS_OS_SYMBOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Writes "function+0x12 (object)" for an address in code, or "object+0x1234" if nothing better is known, or "?". With `has_time` the
// object's file is looked into, for the names of its static functions: that allocates, reads files and takes the dynamic linker's lock.
// Without, it is async-signal-safe.
void apus__symbol(uintptr_t pc, bool has_time, char *buffer, size_t size);

#endif
