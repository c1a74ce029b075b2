/* sharing.pml - slots with work to spare give half of it to slots that sleep: each process is run, and run by one.
 *
 * What is modelled: each slot has processes in a private run queue (the set `waits`, a bit for each process) and an inbox for gifts.
 * A slot that has more than one looks whether anybody sleeps, claims a sleeper (PARKED becomes AWAKE), puts half into its inbox and wakes
 * it, with or without a gift. One that somebody else is waking (hungry, and not PARKED) may be given something without a claim, and is
 * woken if the push finds it asleep again. A sleeper may wake by itself at any time (its timer). A process that is run may spawn another.
 *
 * From the code: scheduler/share.c, scheduler/slot.c (slot_sleep), queue/inbox.h.
 *
 * Properties, each with planted bugs that break it:
 *   S1 a process is run by one slot, and once for each time it waits     BUG_KEPT
 *   S2 when all sleep, nothing waits                                     BUG_GIFT_UNCLAIMED, BUG_CLAIM_UNWOKEN, BUG_CLAIMED_ONCE,
 *                                                                        BUG_HUNGRY_UNWOKEN
 *
 * Size: 3 slots, 2 processes, one of which spawns a third, and one more from a plain thread; one
 * slot may wake by itself once. */

#ifndef SPURIOUS
#define SPURIOUS 1
#endif
#define SLOTS 3
#ifndef START
#define START 3 /* the processes that wait on slot 0 */
#endif
#define ALL (START | 8 | 16)

byte waits[SLOTS];       /* private */
byte inbox[SLOTS];
bool parked[SLOTS];
bool sleeps[SLOTS];
bool hungry[SLOTS];
byte ran;                /* a bit for each process */
bool has_spawned;
byte spurious = SPURIOUS;

inline push(to, gift) {
    inbox[to] = inbox[to] | gift
}

proctype slot(byte me) {
    byte process, i, gift;
    bool claimed, found;
end:
    do
    :: atomic { waits[me] = waits[me] | inbox[me]; inbox[me] = 0 };
        /* share */
        i = (me + 1) % SLOTS;
        do
        :: i != me && (waits[me] & (waits[me] - 1)) != 0 ->
#ifdef BUG_GIFT_UNCLAIMED
            claimed = sleeps[i];
#else
            atomic { claimed = parked[i]; parked[i] = false }
#endif
            if
            :: claimed || hungry[i] ->
                hungry[i] = false;
                /* Half, or nothing if none of those that wait may move. */
                if
                :: gift = waits[me] & (waits[me] - 1); gift = gift & (~(gift & (gift - 1)))
                :: gift = 0
                fi;
#ifndef BUG_KEPT
                waits[me] = waits[me] & (~gift);
#endif
                atomic { push(i, gift) };
#ifdef BUG_GIFT_UNCLAIMED
                skip;
#else
#ifndef BUG_CLAIMED_ONCE
                /* It may have woken since, found nothing and parked again. */
#ifdef BUG_HUNGRY_UNWOKEN
                atomic { parked[i] = (gift == 0 -> parked[i] : false) };
#else
                atomic {
                    claimed = claimed || (gift != 0 && parked[i]);
                    parked[i] = (gift == 0 -> parked[i] : false)
                };
#endif
#endif
                if
#ifdef BUG_CLAIM_UNWOKEN
                :: gift == 0 -> skip
                :: gift != 0 && claimed -> sleeps[i] = false
                :: gift != 0 && !claimed -> skip
#else
                :: claimed -> sleeps[i] = false
                :: !claimed -> skip
#endif
                fi;
#endif
                break
            :: else -> i = (i + 1) % SLOTS
            fi
        :: else -> break
        od;
        /* a turn */
        if
        :: waits[me] != 0 ->
            atomic {
                process = waits[me] & (~(waits[me] & (waits[me] - 1)));
                waits[me] = waits[me] & (~process);
                assert((ran & process) == 0); /* S1 */
                ran = ran | process;
                if
                :: process == 1 && !has_spawned -> has_spawned = true; waits[me] = waits[me] | 8
                :: else
                fi
            }
        :: else ->
            hungry[me] = true;
            parked[me] = true;
            if
            :: inbox[me] != 0 -> skip
            :: else -> atomic { sleeps[me] = parked[me] }
end_asleep:     if
                :: !sleeps[me]
                :: atomic { sleeps[me] && spurious > 0 -> spurious--; sleeps[me] = false }
                fi
            fi;
            parked[me] = false;
            hungry[me] = false
        fi
    od
}

/* A plain thread that gives a process to the last slot. */
proctype outside() {
    bool claimed;
    atomic { push(2, 16) };
    atomic { claimed = parked[2]; parked[2] = false };
    if
    :: claimed -> sleeps[2] = false
    :: else
    fi
}

init {
    atomic { run outside(); waits[0] = START; run slot(0); run slot(1); run slot(2) }
    timeout;
    assert(ran == ALL) /* S2 */
}
