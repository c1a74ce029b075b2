/* ending.pml - messages and monitors that are on their way while the process they are meant for ends and its cell is used again.
 *
 * What is modelled: one cell, whose occupants are called by generations. A sender finds the cell with its pid in it and pushes a little
 * later, when that process may have ended and another have taken its place: a signal carries the pid it is meant for, and the owner
 * answers for the dead. The owner acts alone: it takes what was pushed, delivers, and ends the occupant between two steps: the pid is
 * hidden, the monitors are told, what waits is dropped, and the cell is free for the next generation.
 *
 * From the code: process/signal.c (apus__find, signal_push, signal_arrive, signal_to_dead), process/exit.c (apus__process_end).
 *
 * Properties, each with a planted bug that breaks it:
 *   E1 a message is handled by the process it was sent to, or by none             BUG_PID_UNCHECKED, BUG_SAME_PID
 *   E2 each monitor gives exactly one DOWN                                         BUG_DEAD_SILENT, BUG_REMOTE_DROPPED, BUG_TOLD_TWICE
 *   E3 a DOWN of the first process comes after what it sent before                 BUG_DOWN_OVERTAKES
 *
 * Size: 2 watchers and 2 senders of one signal each, 3 generations. */

#define WATCHERS 2
#define SENDERS 2
#define GENERATIONS 3
#define NONE 0

mtype = { MESSAGE, MONITOR };

chan remote = [WATCHERS + SENDERS] of { mtype, byte, byte }; /* kind, meant for, from */
byte occupant = 1;            /* its pid; NONE while it is hidden */
bool watched[WATCHERS];       /* relations of the occupant */
byte downs[WATCHERS];
bool has_sent;                /* the first process, to watcher 0, before its end */
bool got_it;
byte done;

inline tell(watcher) {
    downs[watcher]++;
    assert(downs[watcher] <= 1); /* E2 */
#ifndef BUG_DOWN_OVERTAKES
    got_it = has_sent; /* the message and the DOWN travel in one queue */
#endif
    assert(watcher != 0 || !has_sent || got_it) /* E3 */
}

proctype watcher(byte me) {
    bool found;
    atomic { found = (occupant == 1) }
    if
    :: found -> atomic { remote!MONITOR, 1, me }
    :: else -> atomic { downs[me]++ } /* noproc, at once */
    fi;
    done++
}

proctype sender() {
    bool found;
    atomic { found = (occupant == 1) }
    if
    :: found -> atomic { remote!MESSAGE, 1, 0 }
    :: else
    fi;
    done++
}

proctype owner() {
    byte generation = 1, meant_for, from, i;
    mtype kind;
    do
    :: atomic { remote?kind, meant_for, from ->
        if
#ifdef BUG_PID_UNCHECKED
        :: kind == MESSAGE -> assert(meant_for == generation) /* E1 */
#else
        :: kind == MESSAGE && meant_for == occupant -> assert(meant_for == generation) /* E1 */
        :: kind == MESSAGE && meant_for != occupant -> skip
#endif
        :: kind == MONITOR && meant_for == occupant -> watched[from] = true
        :: kind == MONITOR && meant_for != occupant ->
#ifndef BUG_DEAD_SILENT
            tell(from)
#else
            skip
#endif
        fi }
    :: atomic { generation == 1 && occupant == 1 && !has_sent -> has_sent = true } /* to watcher 0 */
    :: atomic { generation < GENERATIONS && occupant != NONE -> occupant = NONE };
        /* The end, in steps: others look at the occupant and push meanwhile. */
        i = 0;
        do
        :: i < WATCHERS -> atomic {
            if
            :: watched[i] ->
#ifndef BUG_TOLD_TWICE
                watched[i] = false;
#endif
                tell(i)
            :: else
            fi;
            i++ }
        :: else -> break
        od;
#ifdef BUG_REMOTE_DROPPED
        do
        :: atomic { remote?kind, meant_for, from }
        :: empty(remote) -> break
        od;
#endif
        atomic { generation++;
#ifdef BUG_SAME_PID
        occupant = 1
#else
        occupant = generation
#endif
        }
    :: done == WATCHERS + SENDERS && empty(remote) && generation == GENERATIONS -> break
    od;
    assert(downs[0] == 1 && downs[1] == 1) /* E2 */
}

init {
    atomic { run owner(); run watcher(0); run watcher(1); run sender(); run sender() }
}
