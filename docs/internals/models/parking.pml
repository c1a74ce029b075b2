/* parking.pml - a carrier goes to sleep on its slot's inbox while others push and tell: nothing is slept through.
 *
 * What is modelled: the word `park` (AWAKE, SPINNING, PARKED, CLAIMED), the head of the inbox and the events, with the futex as it is: a wait
 * returns at once if the word has changed, and a wake reaches only who waits already. Spin interleaves whole steps, which is right for
 * the sequentially consistent operations of Dekker's pattern; the bugs PARK_RELAXED and PUSH_RELAXED do what a weaker order would
 * allow: a load before the store that precedes it.
 *
 * With STOPPER one of the pushers stops for good after it has claimed the wake-up, as under a debugger: what the others push is taken
 * all the same.
 *
 * From the code: queue/inbox.h (apus__inbox_park, apus__inbox_push_chain, apus__inbox_claim_wake, apus__inbox_wake), scheduler/slot.c
 * (slot_idle, slot_sleep, apus__slot_tell).
 *
 * Property, with planted bugs that break it:
 *   K1 when all is quiet, all that was pushed is taken and all that was told is seen        BUG_UNCHECKED, BUG_EVENT_UNSEEN,
 *                                                  BUG_FUTEX_BLIND, BUG_PARK_RELAXED, BUG_PUSH_RELAXED, BUG_WAKE_UNCLAIMED,
 *                                                  BUG_CLAIM_TRUSTED, BUG_UNCOUNTED
 *
 * Size: 2 pushers of 1 link each, or 1 of 2 links and the one that stops; one teller. */

#if defined(BUG_CLAIM_TRUSTED) || defined(BUG_UNCOUNTED)
#define STOPPER
#endif
#ifdef STOPPER
#define PUSHERS 1
#define LINKS 2
#else
#define PUSHERS 2
#define LINKS 1
#endif

mtype = { AWAKE, SPINNING, PARKED, CLAIMED };

mtype park = AWAKE;  /* the word: its state, */
byte parks;          /* and how often the slot has parked */
byte head;           /* links in the inbox, */
byte stopped_head;   /* and that of the pusher that stops */
bool event;
bool sleeps;         /* in the kernel */
byte taken;
bool seen;

inline claim() {
    atomic { seen_park = park };
    if
    :: seen_park == PARKED -> atomic {
        seen_park = park;
        if
        :: park == PARKED -> park = CLAIMED
        :: else
        fi }
    :: else
    fi;
#ifdef BUG_CLAIM_TRUSTED
    must_wake = (seen_park == PARKED) /* whoever has claimed it will wake it */
#else
    must_wake = (seen_park == PARKED || seen_park == CLAIMED)
#endif
}

inline claim_and_wake() {
    claim();
    if
    :: must_wake ->
        atomic { seen_park = park; seen_parks = parks };
        sleeps = false; /* the futex's wake */
        atomic {
            if
#ifdef BUG_UNCOUNTED
            :: seen_park == CLAIMED && park == CLAIMED -> park = AWAKE
#else
            :: seen_park == CLAIMED && park == CLAIMED && seen_parks == parks -> park = AWAKE
#endif
            :: else
            fi;
            seen_park = AWAKE; seen_parks = 0; must_wake = false }
    :: else -> seen_park = AWAKE
    fi
}

proctype pusher() {
    byte left = LINKS;
    mtype seen_park;
    byte seen_parks;
    bool must_wake;
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

proctype stopper() {
    mtype seen_park;
    bool must_wake;
    atomic { stopped_head++ };
    claim()
    /* and is heard of no more */
}

proctype teller() {
    mtype seen_park;
    byte seen_parks;
    bool must_wake;
    event = true;
    claim_and_wake()
}

proctype slot() {
    byte found;
end:
    do
    :: atomic { taken = taken + head; head = 0; stopped_head = 0 };
        atomic { seen = seen || event; event = false };
        park = SPINNING;
        if
        :: head + stopped_head != 0 || event -> park = AWAKE
        :: park = AWAKE;
#ifdef BUG_PARK_RELAXED
            found = head + stopped_head;
            atomic { park = PARKED; parks++ };
#else
            atomic { park = PARKED; parks++ };
            found = head + stopped_head;
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
#ifdef STOPPER
    atomic { run slot(); run pusher(); run stopper(); run teller() }
#else
    atomic { run slot(); run pusher(); run pusher(); run teller() }
#endif
    timeout;
    assert(taken == PUSHERS * LINKS && seen) /* K1 */
}
