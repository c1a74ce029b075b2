// rcu/names.h - a lock-free table from names to numbers.
//
// Who:        init, destroy: one thread, before the first and after the last use, outside a read section; destroy leaves no memory
//             and no thread behind. insert, find: any thread registered with RCU, inside or outside a read section. remove: any thread
//             that has the entry from where it was put before it was removed, and that in the same read section.
// Progress:   find is wait-free but for the length of a chain, insert and remove are lock-free; an insert outside a read section
//             may have to double the table.
#ifndef APUS_RCU_NAMES_H
#define APUS_RCU_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct apus__names;
struct apus__name; // an entry

// Makes an empty table. Errors: -ENOMEM.
int apus__names_init(struct apus__names **names);

// Frees the table with everything in it. NULL is allowed.
void apus__names_destroy(struct apus__names *names);

// Maps the name of `length` bytes, which are copied, to `value`. *made: the entry. Errors: -EEXIST the name is there; -ENOMEM.
int apus__names_insert(struct apus__names *names, const char *text, size_t length, uint64_t value, struct apus__name **made);

// Makes room if the table has become too full. Inserting does so by itself, but for threads that are in a read section; somebody
// outside one calls this now and then. Cost: a comparison, unless there is something to do.
void apus__names_tidy(struct apus__names *names);

// Whether the name is there; if so, *value is what it maps to.
bool apus__names_find(struct apus__names *names, const char *text, size_t length, uint64_t *value);

// Takes the entry out. False if somebody else has; else the caller frees it.
bool apus__names_remove(struct apus__names *names, struct apus__name *name);

// Frees an entry that has been taken out, after a grace period.
void apus__name_free(struct apus__name *name);

// Whether it has been taken out. In a read section.
bool apus__name_is_gone(struct apus__name *name);

// What an entry says: the name, with a 0 behind its last byte, and what it maps to. In a read section.
const char *apus__name_text(const struct apus__name *name);
uint64_t apus__name_value(const struct apus__name *name);

#endif
