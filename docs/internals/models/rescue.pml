/* rescue.pml - taking a slot from a carrier that stays in a callback, and what becomes of its process.
 *
 * Code:      CSources/scheduler/rescue.c (claim, decide, rejoin), carrier.c (hold, come back, die), quarantine.c (a fault meanwhile),
 *            process/owner.h (arrive, depart, pin), run.c and process/exit.c (departing, burying).
 * Modelled:  one slot and its carrier A, which goes in and out of the runtime; the monitor, which tries to take the slot at any time;
 *            another slot's carrier, which acts for it once, to share its work, and gives it back;
 *            carrier B, which has the slot afterwards. A's store of `inside` lies in a store buffer until it, or a membarrier, empties
 *            it, so that A's load of `here` may come first, as on real processors. B may kill A's process while A is in its callback;
 *            A may have a fault there. With -DKEEPS the process keeps its thread: it is not its stack that B goes on with, A gets the
 *            slot again.
 * Checked:   users==1        nobody acts for the slot beside another
 *            !freed          the code of a callback never finds its memory gone
 *            back            a process that waits for its thread hears of it
 *            on_stack        a stack goes on only after its thread has left it
 *            resumed<=1      and only once
 *            finished        in the end the process has gone on, or is buried, or has been ended for its fault
 *            !forgotten      a keeper is given the slot, or let go
 * Planted:   -DBUG_NO_BARRIER, NO_INSIDE, CLAIM_UNCHECKED, PIN_LAST, REJOIN_AT_ONCE, BURY_EARLY, FAULT_UNDECIDED, BACK_BEFORE_LEFT
 *            and of a keeper: WAITS_LATE, NOT_DISMISSED, STILL_USED
 */
#if defined(BUG_WAITS_LATE) || defined(BUG_NOT_DISMISSED) || defined(BUG_STILL_USED)
#define KEEPS
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif

mtype = { BUSY, RUNS, CLAIMED, DETACHED, ASSIGNED, WAITS, SPARE };

mtype hold = RUNS;
mtype word = ASSIGNED;     /* A's: WAITS is APUS__CARRIER_KEEPS */
bool here = true;          /* A's `here` is the slot */
bool pinned = false;       /* A calls the program's code from inside, and acts for the slot when that has returned */
bool inside = true;        /* as others see it */
bool buffered = false;     /* A's store of 1 to `inside` is under way */
byte users = 0;            /* who acts for the slot now */
bool has_b = false;        /* B has the slot */
bool detached = false;     /* the process waits for its thread */
bool on_stack = true;      /* A is on the process's stack */
bool back = false;         /* A has pushed the stack to the slot */
bool departed = false, freed = false, faulted = false, finished = false, forgotten = false;
byte resumed = 0;
bool a_done = false, monitor_done = false, b_done = false;

inline use_slot() {
    users++;
    assert(users==1);
    users--
}

inline flush() {
    d_step { if :: buffered -> inside = true; buffered = false :: else fi }
}

/* A comes in: a store that may be seen late, then the load. */
inline arrive() {
#ifndef BUG_NO_INSIDE
    buffered = true;
#endif
    seen = here
}

inline depart() {
    flush();
    inside = false
}

/* Whether A is out, for who has a claim: it looks at one after the other. */
inline look_at_carrier() {
#ifdef BUG_PIN_LAST
    is_out = !inside;
    is_out = is_out && !pinned
#else
    is_out = !pinned;
    is_out = is_out && !inside
#endif
}

inline await_decision() {
#ifndef BUG_REJOIN_AT_ONCE
    (hold != CLAIMED)
#else
    skip
#endif
}

/* A calls the program's code in the middle of something, and that calls Apus, and returns. */
inline call_pinned() {
    flush();
    pinned = true;
    arrive();
    if :: seen :: else -> await_decision() fi;
    depart();
    inside = true;
    pinned = false;
    use_slot()
}

/* A leaves the process's stack for its own, and then says so. */
inline come_back() {
#ifdef BUG_BACK_BEFORE_LEFT
    back = true;
    on_stack = false;
#else
    on_stack = false;
#if defined(KEEPS) && !defined(BUG_WAITS_LATE)
    hold = BUSY;
    word = WAITS;
#endif
    back = true;
#if defined(KEEPS) && defined(BUG_WAITS_LATE)
    word = WAITS;
#endif
#endif
#ifndef KEEPS
    hold = BUSY
#endif
}

/* A keeper sleeps until it has the slot again, or need not have it. */
inline await_slot() {
    if :: word != WAITS :: word == WAITS && b_done -> forgotten = true fi;
    assert(!forgotten);
    if
    :: word == ASSIGNED ->
        use_slot();
        assert(!freed);
        resumed++;
        assert(resumed<=1);
        finished = true
    :: word == SPARE
    fi
}

proctype CarrierA() {
    bool seen;
    byte round = 0;
    do
    :: round < ROUNDS && !finished ->
        round++;
        depart();
        /* In the callback. */
        assert(!freed);
        if
        :: true -> /* calls Apus, or returns */
            arrive();
            if
            :: seen ->
                use_slot();
                if :: call_pinned() :: true fi
            :: else ->
                await_decision();
                if
                :: hold == DETACHED ->
                    come_back();
#ifdef KEEPS
                    await_slot();
#endif
                    goto out
                :: else -> use_slot()
                fi
            fi;
            flush()
        :: !faulted -> /* has a fault */
            arrive();
            flush();
#ifndef BUG_FAULT_UNDECIDED
            await_decision();
#endif
            faulted = true;
            if
            :: atomic { hold == RUNS -> hold = BUSY }; use_slot(); finished = true; has_b = true; goto out
            :: hold == DETACHED -> back = true; goto out
#ifdef BUG_FAULT_UNDECIDED
            :: hold == CLAIMED -> use_slot(); finished = true; has_b = true; goto out
#endif
            fi
        fi
    :: else -> break
    od;
    /* Goes on inside, for as long as anyone cares. */
    hold == RUNS || hold == CLAIMED;
    finished = true;
out:
    flush();
    a_done = true
}

proctype Monitor() {
    byte tries = 0;
    bool is_out;
    do
    :: tries < 2 && !has_b ->
        tries++;
        if
        :: atomic { hold == RUNS -> hold = CLAIMED }
        :: hold != RUNS -> goto next
        fi;
        here = false;
#ifndef BUG_NO_BARRIER
        flush();
#endif
        look_at_carrier();
        if
        :: is_out ->
            /* Acts for the slot: detaches, or finds that nobody waits. */
            users++;
            assert(users==1);
            if
            :: true ->
                detached = true;
                users--;
                hold = DETACHED;
                has_b = true
            :: true ->
                users--;
                here = true;
                hold = RUNS
            fi
        :: else ->
            here = true;
            hold = RUNS
        fi;
next:   skip
    :: else -> break
    od;
    monitor_done = true
}

/* Another slot's carrier, which has nothing to do: acts for the slot, and gives it back at once. */
proctype Sharer() {
    bool is_out;
    if
#ifndef BUG_CLAIM_UNCHECKED
    :: atomic { hold == RUNS && !has_b -> hold = CLAIMED };
#else
    :: !has_b -> hold = CLAIMED;
#endif
        here = false;
#ifndef BUG_NO_BARRIER
        flush();
#endif
        look_at_carrier();
        if
        :: is_out -> use_slot()
        :: else
        fi;
        here = true;
        hold = RUNS
    :: true
    fi
}

/* Has the slot after a hand-over: runs others, and sees to the process. */
proctype CarrierB() {
end_unneeded:
    has_b;
    if
    :: !detached -> /* A had a fault while it had the slot */
        use_slot()
    :: detached ->
        if
        :: true ->
            use_slot();
            departed = true; /* killed while A is in the callback */
#ifdef BUG_BURY_EARLY
            freed = true
#endif
        :: true -> skip
        fi;
        back || a_done; /* else it would wait for ever */
        assert(back);
        use_slot();
        if
        :: faulted || departed ->
            freed = true;
#if defined(KEEPS) && !defined(BUG_NOT_DISMISSED)
            if :: !faulted -> word = SPARE :: else fi;
#endif
            finished = true
        :: else ->
            assert(!on_stack);
#ifdef KEEPS
            word = ASSIGNED; /* B leaves the slot to A */
#ifdef BUG_STILL_USED
            use_slot()
#endif
#else
            resumed++;
            assert(resumed<=1);
            finished = true
#endif
        fi
    fi;
    b_done = true
}

init {
    atomic {
        run CarrierA();
        run Monitor();
        run Sharer();
        run CarrierB()
    }
    /* All have come to their end: the process has too. */
    a_done && monitor_done && (b_done || !has_b);
    assert(finished)
}
