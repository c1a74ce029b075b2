/* handoff.pml - a slot changes carriers: which thread runs it, and how all of them end.
 *
 * What is modelled: slots that are carried by threads. A carrier's word says what it is: SPARE, CLAIMED, ASSIGNED or QUIT. A carrier
 * that is asked for a hand-off has left the slot's loop; it claims a spare (compare-and-swap), writes the slot into it and makes it ASSIGNED;
 * then it becomes a spare itself, unless it has been told to quit. The stop tells the slots to leave first, then every carrier to quit.
 *
 * From the code: scheduler/carrier.c. Taking a slot away from a carrier that blocks is modelled elsewhere.
 *
 * Properties, each with a planted bug that breaks it:
 *   H1 a slot is run by one carrier at a time                           BUG_STILL_THERE, BUG_CLAIM_UNCHECKED
 *   H2 a slot is always run by somebody, or on its way to somebody      BUG_SLOT_LATE
 *   H3 after the stop every carrier ends                                BUG_SPARE_STORED, BUG_QUIT_FIRST
 *
 * What it showed: ASSIGNED may overwrite QUIT, so the carrier that gets a slot then must find it told to leave. That is why the slots are
 * told before the carriers (apus__carriers_stop), and why LEAVE is looked at before a hand-off (carrier_run).
 *
 * Size: 2 slots, 4 carriers, 2 hand-offs in all. */

#define SLOTS 2
#define CARRIERS 4
#ifndef HANDOFFS
#define HANDOFFS 2
#endif
#define NOTHING 255

mtype = { SPARE, CLAIMED, ASSIGNED, QUIT };

mtype word[CARRIERS];
byte slot_of[CARRIERS];
byte runs[SLOTS];      /* for H1 */
bool leave[SLOTS];
byte handoffs = HANDOFFS;
byte ended;

proctype carrier(byte me) {
    byte slot, spare, i;
    mtype seen;
wait:
    word[me] != SPARE && word[me] != CLAIMED;
    if
    :: word[me] == QUIT -> goto quit
    :: else
    fi;
    slot = slot_of[me];
    assert(slot != NOTHING); /* H2 */
enter:
    atomic { runs[slot]++; assert(runs[slot] == 1) } /* H1 */
    if
    :: leave[slot] -> runs[slot]--; goto quit
    :: atomic { !leave[slot] && handoffs > 0 -> handoffs-- } /* LEAVE comes first */
    fi;
#ifndef BUG_STILL_THERE
    runs[slot]--;
#endif
    spare = NOTHING;
    i = 0;
    do
    :: i < CARRIERS && spare == NOTHING ->
#ifdef BUG_CLAIM_UNCHECKED
        if
        :: word[i] == SPARE -> word[i] = CLAIMED; spare = i
        :: else
        fi;
#else
        atomic { if
        :: word[i] == SPARE -> word[i] = CLAIMED; spare = i
        :: else
        fi }
#endif
        i++
    :: else -> break
    od;
    if
    :: spare == NOTHING ->
#ifdef BUG_STILL_THERE
        runs[slot]--;
#endif
        goto enter
    :: else
    fi;
#ifdef BUG_SLOT_LATE
    word[spare] = ASSIGNED;
    slot_of[spare] = slot;
#else
    slot_of[spare] = slot;
    word[spare] = ASSIGNED;
#endif
#ifdef BUG_STILL_THERE
    runs[slot]--;
#endif
    slot_of[me] = NOTHING;
    atomic {
#ifdef BUG_SPARE_STORED
        word[me] = SPARE; goto wait
#else
        if
        :: word[me] == ASSIGNED -> word[me] = SPARE; goto wait
        :: else -> goto quit
        fi
#endif
    }
quit:
    ended++
}

init {
    byte i = 0;
    atomic {
        do
        :: i < CARRIERS ->
            if
            :: i < SLOTS -> word[i] = ASSIGNED; slot_of[i] = i
            :: else -> word[i] = SPARE; slot_of[i] = NOTHING
            fi;
            run carrier(i);
            i++
        :: else -> break
        od
    }
#ifndef BUG_QUIT_FIRST
    leave[0] = true;
    leave[1] = true;
#endif
    i = 0;
    do
    :: i < CARRIERS -> word[i] = QUIT; i++
    :: else -> break
    od;
#ifdef BUG_QUIT_FIRST
    leave[0] = true;
    leave[1] = true;
#endif
    (timeout || ended == CARRIERS);
    assert(ended == CARRIERS) /* H3 */
}
