/* line.pml - a plain thread asks by its line: each request is begun once and answered, and the line is freed when all have let go of it.
 *
 * What is modelled: one line, its thread, and two schedulers. The thread asks the one or the other, as where its callee is changes. It rings who
 * does not seem to attend, and who does if it has spun in vain; it may give its request up, which is then the last, or end. A scheduler
 * receives bells, looks at the line while it attends, and attends no more whenever it likes: it sleeps, or another line has the place.
 * That a bell reaches its scheduler, asleep or not, is parking.pml's.
 *
 * From the code: scheduler/line.c (line_rung, apus__lines_look, line_drop, apus__line_ring), abi/line.c (line_find, line_await, line_begin).
 *
 * Properties, with planted bugs that break them:
 *   L1 when all is quiet, each request was answered, or given up            BUG_UNRUNG, BUG_LOOK_FIRST, BUG_ASK_ELSEWHERE
 *   L2 each is begun at most once                                           BUG_TAKEN_ALWAYS, BUG_TAKEN_UNEQUAL
 *   L3 the link is in at most one inbox                                     BUG_RING_ALWAYS
 *   L4 nobody touches a line that was freed, and it is freed at last        BUG_HOLD_LATE, BUG_LET_GO_EARLY, BUG_HOLD_KEPT
 *   L5 one that was given up before it was seen is not begun                BUG_RUNG_UNSEEN, BUG_BELL_FORGETS
 *
 * Memory order: `asked` and the exchanges of `rung` and of the word are single steps in one order, which is what their acquires and releases
 * come to here; `attends` is a hint, and is read as whatever it was. So is `rung` by who looks: one that is not seen yet is as if the thread
 * gave up a moment later. A scheduler reads `asked` first and then `taken`, which may be the other's by then: hence TAKEN_UNEQUAL. What
 * else a request says, and the answer over it, are plain data of these.
 *
 * Size: 3 requests; with GIVES_UP the thread may give one up. */

#if defined(BUG_LET_GO_EARLY) || defined(BUG_HOLD_KEPT) || defined(BUG_RUNG_UNSEEN) || defined(BUG_BELL_FORGETS)
#define GIVES_UP
#endif
#ifndef CALLS
#define CALLS 3
#endif

byte asked_number, asked_slot; /* one word */
byte taken;
bool rung;
bool attends_hint[2]; /* what the thread may read of `attends` */
bool place[2];
byte holders = 1;
bool freed, linked, given_up, thread_ended;
byte answered;        /* the word */
byte begun[CALLS + 1];
chan inbox[2] = [2] of { bit };

inline let_go() {
    atomic {
        assert(!freed);
        holders--;
        if
        :: holders == 0 -> freed = true
        :: else
        fi
    }
}

inline ring(slot) {
    atomic { assert(!freed); was = rung; rung = true };
    if
#ifndef BUG_RING_ALWAYS
    :: was
#endif
    :: else ->
#ifdef BUG_HOLD_LATE
        atomic { assert(!linked); linked = true; inbox[slot]!1 };
        atomic { assert(!freed); holders++ }
#else
        holders++;
        atomic { assert(!linked); linked = true; inbox[slot]!1 }
#endif
    fi;
    was = false
}

proctype thread() {
    byte n, to;
    bool was, rings;
    do
    :: n < CALLS ->
        if :: to = 0 :: to = 1 fi;
        rings = !(attends_hint[to] && asked_slot == to);
        if
#ifndef BUG_ASK_ELSEWHERE
        :: rings && rung -> goto otherwise /* by an errand of its own */
#endif
        :: else
        fi;
        n++;
        atomic { asked_number = n; asked_slot = to };
        if
        :: rings -> ring(to)
        :: !rings ->
            if
            :: answered == n
            :: true ->
#ifndef BUG_UNRUNG
                if
                :: answered != n -> ring(to)
                :: else
                fi
#else
                skip
#endif
            fi
        fi;
        if
        :: answered == n
#ifdef GIVES_UP
        :: atomic { answered != n -> given_up = true };
#ifdef BUG_LET_GO_EARLY
            let_go();
#endif
            goto left
#endif
        fi;
otherwise:
        skip
    :: break
    od;
    let_go();
left:
    thread_ended = true
}

inline look(slot) {
    atomic { assert(!freed); number = asked_number; mine = (asked_slot == slot); was_given_up = given_up };
    atomic {
        assert(!freed);
#ifdef BUG_TAKEN_ALWAYS
        due = mine && number > 0
#else
#ifdef BUG_TAKEN_UNEQUAL
        due = mine && number != taken
#else
        due = mine && number > taken
#endif
#endif
    }
}

inline take(has_rung) {
    atomic { assert(!freed); taken = number; rings = has_rung };
    atomic {
        assert(!freed);
        if
        :: rings && given_up
        :: else -> assert(!was_given_up); /* L5 */
            begun[number]++;
            assert(begun[number] == 1) /* L2 */
        fi
    };
    /* Its process runs, and ends; or there is none. */
    atomic {
        if
        :: given_up -> gave_up = true
        :: else -> answered = number
        fi
    };
    if
    :: gave_up -> gave_up = false;
#ifndef BUG_HOLD_KEPT
        let_go()
#endif
    :: else
    fi
}

inline drop(slot) {
    place[slot] = false;
    attends_hint[slot] = false;
    let_go()
}

proctype scheduler(byte me) {
    byte number;
    bool mine, due, keeps, gave_up, was_given_up, rings;
end:
    do
    :: atomic { inbox[me]?1 -> linked = false };
#ifdef BUG_LOOK_FIRST
        look(me);
        atomic { assert(!freed); rung = false };
#else
        atomic { assert(!freed); rung = false };
        look(me);
#endif
        if
        :: due && !place[me] -> keeps = true; place[me] = true; attends_hint[me] = true
        :: true /* or there is no place */
        fi;
        if
#ifdef BUG_BELL_FORGETS
        :: due -> take(false)
#else
        :: due -> take(true)
#endif
        :: else
        fi;
        if
        :: !keeps -> let_go()
        :: else
        fi;
        keeps = false; due = false; mine = false; number = 0; was_given_up = false; rings = false
    :: place[me] ->
        look(me);
        if
#ifdef BUG_RUNG_UNSEEN
        :: due -> take(false)
#else
        :: due -> take(rung)
#endif
        :: !due && !mine -> drop(me)
        :: else
        fi;
        due = false; mine = false; number = 0; was_given_up = false; rings = false
    :: place[me] -> drop(me)
    od
}

init {
    atomic { run thread(); run scheduler(0); run scheduler(1) }
    timeout;
    assert(thread_ended && (given_up || answered == asked_number)); /* L1 */
    assert(freed)                                                   /* L4 */
}
