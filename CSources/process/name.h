// process/name.h - names of processes: the table maps a name to a pid, the cell holds its own name.
//
// Protocol:   a name is in the table first, then in the cell. Taking it out goes in the same order, and is done by whoever takes the entry
//             out of the table: the process that ends, `unregister`, or a `register` that finds the process dead after all. So a name
//             that seems to be gone is free, however long its last holder takes to empty the cell.
// Left over:  what lies in a cell may have gone from the table, or be the name of an earlier occupant, put there in the very moment in
//             which that one ended. Neither is the name of the process: whoever gives it one puts that in its place.
// Ordering:   a process that ends makes its pid 0, then looks at `name`; register puts the entry into `name`, then reads the pid: both
//             sequentially consistent, so at least one of the two sees the other and takes the name away.
// Freed:      after a grace period, by whoever took the entry out of the table, and that after, or in the read section in which, it leaves
//             the cell. So what is found in a cell in a read section is there until that ends.
#ifndef APUS_PROCESS_NAME_H
#define APUS_PROCESS_NAME_H

#include "process/process.h"
#include "rcu/names.h"
#include "rcu/rcu.h"

int apus__name_register(const char *name, apus_pid pid);
int apus__name_unregister(const char *name);
int apus__name_whereis(const char *name, apus_pid *pid);

// Makes a name known for a process that is being made and cannot be seen yet. Errors: -EINVAL, -EEXIST, -ENOMEM.
int apus__name_claim(const char *name, apus_pid pid, struct apus__name **claimed);
// Puts a claimed name into its cell.
void apus__name_install(struct apus_process *process, struct apus__name *claimed);
// Gives a claimed name back.
void apus__name_disclaim(struct apus__name *claimed);

// Copies the name of a process of ours, cut to size. False, and nothing is written, if it has none.
bool apus__name_copy(struct apus_process *process, char *text, size_t size);

// The process ends: takes its name away, if it has one.
void apus__name_release(struct apus_process *process);

// 0, or -EINVAL for a name that is NULL, empty or too long.
int apus__name_check(const char *name, size_t *length);

#endif
