/* parking.pml - a carrier goes to sleep on its slot's inbox while others push and tell: nothing is slept through.
 *
 * What is modelled: the word `park` (AWAKE, SPINNING, PARKED), the head of the inbox and the events, with the futex as it is: a wait
 * returns at once if the word has changed, and a wake reaches only who waits already. Spin interleaves whole steps, which is right for
 * the sequentially consistent operations of Dekker's pattern; the bugs PARK_RELAXED and PUSH_RELAXED do what a weaker order would
 * allow: a load before the store that precedes it.
 *
 * From the code: queue/inbox.h (apus__inbox_park, apus__inbox_push_chain, apus__inbox_claim_wake), scheduler/slot.c (slot_idle,
 * slot_sleep, apus__slot_tell).
 *
 * Property, with planted bugs that break it:
 *   K1 when all is quiet, all that was pushed is taken and all that was told is seen        BUG_UNCHECKED, BUG_EVENT_UNSEEN,
 *                                                  BUG_FUTEX_BLIND, BUG_PARK_RELAXED, BUG_PUSH_RELAXED, BUG_WAKE_UNCLAIMED
 *
 * Size: 2 pushers of 2 links each, one teller. */

#define PUSHERS 2
#define LINKS 2

mtype = { AWAKE, SPINNING, PARKED };

mtype park = AWAKE;
byte head;           /* links in the inbox */
bool event;
bool sleeps;         /* in the kernel */
byte taken;
bool seen;

inline claim_and_wake() {
    atomic { claimed = (park == PARKED) }
    if
    :: claimed -> atomic {
        if
        :: park == PARKED -> park = AWAKE
        :: else -> claimed = false
        fi }
    :: else
    fi;
    if
    :: claimed -> sleeps = false /* the futex's wake */
    :: else
    fi
}

proctype pusher() {
    byte left = LINKS;
    bool claimed;
    do
    :: left > 0 ->
        left--;
#ifdef BUG_PUSH_RELAXED
        claim_and_wake();
        atomic { head++ }
#else
        atomic { head++ };
        claim_and_wake()
#endif
    :: else -> break
    od
}

proctype teller() {
    bool claimed;
    event = true;
    claim_and_wake()
}

proctype slot() {
    byte found;
end:
    do
    :: atomic { taken = taken + head; head = 0 };
        atomic { seen = seen || event; event = false };
        park = SPINNING;
        if
        :: head != 0 || event -> park = AWAKE
        :: park = AWAKE;
#ifdef BUG_PARK_RELAXED
            found = head;
            park = PARKED;
#else
            park = PARKED;
            found = head;
#endif
#ifdef BUG_UNCHECKED
            found = 0;
#endif
            if
            :: found != 0 -> skip
#ifndef BUG_EVENT_UNSEEN
            :: found == 0 && event -> skip
            :: found == 0 && !event ->
#else
            :: found == 0 ->
#endif
#ifdef BUG_FUTEX_BLIND
                sleeps = true;
#else
                atomic { sleeps = (park == PARKED) }
#endif
#ifdef BUG_WAKE_UNCLAIMED
                park = AWAKE; /* says that it is awake before it is */
#endif
end_asleep:     !sleeps
            fi;
            park = AWAKE
        fi
    od
}

init {
    atomic { run slot(); run pusher(); run pusher(); run teller() }
    timeout;
    assert(taken == PUSHERS * LINKS && seen) /* K1 */
}
