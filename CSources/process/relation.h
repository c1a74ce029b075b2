// process/relation.h - what a process has to do with others: links, monitors, requests, watched descriptors.
//
// Idea:       each side of a link, monitor or request is a 64-byte node in the set of its process, found by kind and key. Up to eight
//             nodes the set is a list, which costs nothing but its nodes; beyond, a hash table that doubles, so that a supervisor of
//             100,000 children finds one in O(1).
// Who:        the owner of the process only.
// Freed:      nodes go back to the owner's heap when removed; the table frees itself with its last node.
#ifndef APUS_PROCESS_RELATION_H
#define APUS_PROCESS_RELATION_H

#include "process/process.h"

enum apus__relation_kind {
    APUS__LINKED = 0,       // key: pid of the other
    APUS__MONITORING = 1,   // key: ref; peer: the watched
    APUS__MONITORED_BY = 2, // key: ref; peer: the watcher
    APUS__ASKED = 3,        // a request of ours is open; key: ref; peer: the server
    APUS__ASKED_BY = 4,     // a request to us is open and its message gone; key: ref; peer: the caller
    APUS__WATCHING = 5,     // a file descriptor; key: fd
    APUS__WAITS_FOR_SPACE = 6 // a sender waits for our mailbox; key: ref; peer: the sender
};

struct apus__relation {
    struct apus__relation *next;
    uint64_t key;
    uint64_t peer;
    uint32_t kind;
    uint32_t timed;         // ASKED: `deadline` is in the wheel
    union {
        struct apus__deadline deadline; // ASKED
        uint64_t unlink_id;             // LINKED: not 0 while an unlink waits for its acknowledgement
        uint64_t size;                  // WAITS_FOR_SPACE: bytes of the message
    };
};

_Static_assert(sizeof(struct apus__relation) == 64, "a relation is one cache line");

// Finds a relation, or NULL.
struct apus__relation *apus__relation_find(struct apus_process *process, enum apus__relation_kind kind, uint64_t key);

// Adds a relation that is not there yet. NULL if there is no memory. With `certain` it may use the owner's reserve and never fails.
struct apus__relation *apus__relation_add(struct apus__owner *here, struct apus_process *process, enum apus__relation_kind kind,
                                          uint64_t key, uint64_t peer, bool certain);

// Takes a relation out and frees it.
void apus__relation_remove(struct apus__owner *here, struct apus_process *process, struct apus__relation *relation);

// Takes any one relation out, for the caller to free with apus__relation_free; NULL when none is left.
struct apus__relation *apus__relation_pop(struct apus__owner *here, struct apus_process *process);
void apus__relation_free(struct apus__owner *here, struct apus__relation *relation);

// Calls `visit` for each relation.
void apus__relation_each(struct apus_process *process, void (*visit)(struct apus__relation *relation, void *context), void *context);

#endif
