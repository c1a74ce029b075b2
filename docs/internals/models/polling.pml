/* polling.pml - who sleeps waits for descriptors, one at a time: what is ready is found, whoever was asleep, busy or looking then.
 *
 * What is modelled: the turn at the set (FREE, LOOKS, WAITS), the first watch, which makes the set while the slots may be asleep, a monitor
 * that looks once, and slots that sleep on their futex or at the set. A wake-up of a slot at the set is the bell, which is kept until
 * somebody hears it. Spin interleaves whole steps, which is right for the sequentially consistent operations; the order of the loads and
 * stores of `turn` matters within one thread only.
 *
 * From the code: scheduler/poller.c (poller_begin, apus__poller_end, apus__poller_look, poller_ensure), scheduler/slot.c (slot_idle,
 * slot_sleep, slot_hand_on), queue/inbox.h.
 *
 * Property, with planted bugs that break it:
 *   P1 when all is quiet, all events have been found        BUG_LOOK_TRUSTED, BUG_FIRST_UNSEEN, BUG_FIRST_UNTOLD
 *   P2 and all that was sent to a slot is taken             BUG_BELL_DEAF
 *
 * Size: 2 slots, 2 events, one watch, one look of the monitor's. */

#define SLOTS 2
#define EVENTS 2

mtype = { FREE, LOOKS, WAITS };

mtype turn = FREE;
bool used;           /* there is a set */
byte ready;          /* events that nobody has found yet */
byte found;
bool parked[SLOTS];  /* has said that it sleeps, */
bool polls[SLOTS];   /* and that it does so at the set */
bool asleep[SLOTS];  /* on its futex */
bool bell;
bool sent[SLOTS];    /* something is in its inbox */

inline tell(who) {
    atomic {
        if
        :: parked[who] && polls[who] -> bell = true
        :: parked[who] && !polls[who] -> asleep[who] = false; parked[who] = false
        :: else
        fi
    }
}

proctype slot(byte me) {
    bool has_io, mine;
    byte got;
end:
    do
    :: sent[me] = false;
        has_io = used;
        mine = false;
        got = 0;
        if
        :: has_io -> atomic {
            if
            :: turn == FREE -> turn = WAITS; mine = true
            :: turn == WAITS
#ifdef BUG_LOOK_TRUSTED
            :: turn == LOOKS /* as if that one would go on to wait */
#else
            :: turn == LOOKS -> goto end
#endif
            fi }
        :: else
        fi;
        atomic { parked[me] = true; polls[me] = mine };
        if
#ifndef BUG_FIRST_UNSEEN
        :: has_io != used || sent[me] -> skip
        :: has_io == used && !sent[me] ->
#else
        :: sent[me] -> skip
        :: !sent[me] ->
#endif
            if
            :: mine ->
#ifdef BUG_BELL_DEAF
                bell = false; /* what was rung before it waits is not heard */
#endif
end_waits:      atomic { ready > 0 || bell -> got = ready; ready = 0; bell = false }
            :: !mine -> atomic { asleep[me] = parked[me] };
end_sleeps:     !asleep[me]
            fi
        fi;
        if
        :: mine -> turn = FREE
        :: else
        fi;
        parked[me] = false;
        if
        :: got > 1 -> tell(1 - me)
        :: else
        fi;
        atomic { found = found + got; got = 0 }
    od
}

proctype monitor() {
    byte got;
end_looks:
    atomic { turn == FREE && used -> turn = LOOKS };
    atomic { got = ready; ready = 0 };
    turn = FREE;
    found = found + got
}

/* By a thread that has lost its slot. Then events come, and the slots may be sent something else. */
proctype watcher() {
    used = true;
#ifndef BUG_FIRST_UNTOLD
    tell(0);
#endif
    ready++;
    if
    :: sent[1] = true; tell(1)
    :: skip
    fi;
    ready++;
    if
    :: sent[0] = true; tell(0)
    :: skip
    fi
}

init {
    atomic { run slot(0); run slot(1); run monitor(); run watcher() }
    timeout;
    assert(found == EVENTS); /* P1 */
    assert(!sent[0] && !sent[1]) /* P2 */
}
