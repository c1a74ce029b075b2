/* mailbox.pml - how a message finds a process that moves between slots, modelled for spin.
 *
 * What is modelled: one process cell, B. Anybody pushes on `remote` (compare-and-swap); the owner takes everything by one exchange. The
 * pusher that found `remote` empty, and it alone, links the cell into the inbox of the owner it reads. A slot that gets a
 * notification for a cell it does not own passes it on. The owner gives the cell away by storing the new owner and then pushing the
 * cell on the new owner's inbox. A slot parks by storing PARKED and looking at its inbox again; whoever pushes on an inbox looks at
 * PARKED afterwards, and wakes the slot if it is the one to turn PARKED into CLAIMED (what CLAIMED is for is in parking.pml).
 *
 * Who is there: SLOTS slots; a plain thread that sends FOREIGN messages; a process A on the last slot that sends LOCAL messages, directly
 * into the mailbox while B has the same owner and `remote` is empty; B, which starts on slot 0, takes its turns where it is, and
 * moves whenever it waits for a turn. SPURIOUS times a sleeping slot wakes for no reason (a time-out).
 *
 * From the code: process/signal.c (push, notify, take, pass on), queue/inbox.h (inbox, parking), scheduler/share.c (a gift to a
 * claimed sleeper), process/exit.c (a gift to anybody), scheduler/slot.c (the loop).
 *
 * Properties, each with a planted bug that breaks it (Tests/models/run.sh checks both):
 *   P1 no message is lost: when all sleep, all that was sent is handled        BUG_PARK_UNCHECKED, BUG_NOT_PASSED_ON, BUG_WAKE_FIRST,
 *                                                                              BUG_CLAIM_UNWOKEN, BUG_CLAIM_ONCE
 *   P2 the cell is linked into inboxes at most once at a time                  BUG_ALWAYS_NOTIFY, BUG_TAKE_EARLY
 *   P3 the cell has at most one turn to come, or under way                     BUG_GIFT_UNSCHEDULED, BUG_FLAG_IGNORED
 *   P4 only the owner touches what is private, and it has seen (acquired)      BUG_GIFT_FIRST, BUG_OWNER_RELAXED,
 *      what the owner before it did                                            BUG_LOCAL_RELAXED
 *   P5 what one sender sent arrives in that order                              BUG_LOCAL_OVERTAKES
 *
 * Memory order: spin interleaves whole steps, which is right for the sequentially consistent operations of the park protocol. Two
 * weaker ones are modelled by hand. A relaxed load of `owner` may give any value stored since the last exchange on `remote` (which
 * the pusher has acquired), as far as coherence allows: the set `readable`. And who reads its own id there has seen the private
 * state of the cell only if the load was an acquire, or the gift itself has arrived: `seer`.
 *
 * What it showed: a claimed sleeper may wake by itself, look at its inbox before the gift is there, and sleep again, so the push of
 * the gift must turn PARKED into CLAIMED once more (BUG_CLAIM_ONCE); and the loads of `owner` that lead to the private state, in
 * apus__is_local() and apus__signal_notified(), must be acquires, because a notification may overtake the gift
 * (BUG_LOCAL_RELAXED, BUG_OWNER_RELAXED).
 *
 * Size: 2 slots, 2 + 2 messages: 8.6 million states, 10 s, 1 GB. */

#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef FOREIGN
#define FOREIGN 2
#endif
#ifndef LOCAL
#define LOCAL 2
#endif
#ifndef SPURIOUS
#define SPURIOUS 1
#endif

#define MESSAGES (FOREIGN + LOCAL)
#define NOBODY 255
#define PLAIN SLOTS /* the plain thread's number among the senders */

mtype = { NOTIFY, GIFT };

/* The cell. */
chan remote = [MESSAGES] of { byte, byte }; /* sender, number; oldest first, as the exchange turns it round */
byte owner = 0;
chan mailbox = [MESSAGES] of { byte, byte }; /* private to the owner */
bool scheduled;                              /* private to the owner */

/* The slots. A queue of one: there is one cell. */
chan inbox[SLOTS] = [3] of { mtype };
chan batch[SLOTS] = [3] of { mtype };
bool queued[SLOTS];
bool parked[SLOTS];
bool asleep[SLOTS];

/* For the properties alone. */
byte readable = 1;  /* owners a relaxed load may give, a bit for each */
bool linked;        /* the cell's inbox link is in use */
byte turns;         /* run queues the cell is in, or on its way to, or running from */
byte seer = 0;      /* the slot that has acquired the cell's private state */
byte sent, handled;
byte next_number[SLOTS + 1];
byte spurious = SPURIOUS;

/* A relaxed load of `owner` by slot `me` (or the plain thread): itself only if that is the truth, for only `me` stores anything else
 * over its own id. */
inline load_owner(me, value) {
    if
    :: (readable & 1) && (0 != me || owner == me) -> value = 0
    :: (readable & 2) && (1 != me || owner == me) -> value = 1
#if SLOTS > 2
    :: (readable & 4) && (2 != me || owner == me) -> value = 2
#endif
    fi
}

/* The first half of a push on an inbox is the push itself, at each place where this is used; then this. */
inline claim_and_wake(to) {
    atomic {
        if
        :: parked[to] -> parked[to] = false; claimed = true
        :: else -> claimed = false
        fi
    }
    if
    :: claimed -> asleep[to] = false
    :: else
    fi;
    claimed = false
}

inline notify(me) {
    atomic { load_owner(me, to) }
#ifdef BUG_WAKE_FIRST
    claim_and_wake(to);
#endif
    atomic {
        assert(!linked); /* P2 */
        linked = true;
        inbox[to]!NOTIFY
    }
#ifndef BUG_WAKE_FIRST
    claim_and_wake(to);
#endif
    to = 0
}

inline push(me, number) {
    atomic {
        was_empty = (len(remote) == 0);
        remote!me, number;
        sent++
    }
    if
#ifdef BUG_ALWAYS_NOTIFY
    :: true -> notify(me)
#else
    :: was_empty -> notify(me)
    :: else
#endif
    fi;
    was_empty = false
}

/* Every access to the private state goes with this. */
inline private(me) {
    assert(owner == me); /* P4: the owner alone */
    assert(seer == me)     /* P4: with the state as it was left */
}

inline enqueue(me) {
    assert(turns == 0); /* P3 */
    turns = 1;
    queued[me] = true
}

inline wake(me) {
    if
#ifdef BUG_FLAG_IGNORED
    :: true -> scheduled = true; enqueue(me)
#else
    :: !scheduled -> scheduled = true; enqueue(me)
    :: else
#endif
    fi
}

/* The exchange on `remote`, and the walk over what it gave. */
inline take(me) {
    private(me);
    readable = 1 << me;
    do
    :: len(remote) > 0 -> remote?sender, number; mailbox!sender, number
    :: else -> break
    od;
    sender = 0;
    number = 0;
    if
    :: len(mailbox) > 0 -> wake(me)
    :: else
    fi
}

/* A notification has come out of the inbox. Its link was read before, so it is free again. */
inline notified(me) {
    atomic {
        linked = false;
        if
        :: seer == me -> to = me
        :: else -> load_owner(me, to)
        fi;
#ifndef BUG_OWNER_RELAXED
        if
        :: to == me -> seer = me
        :: else
        fi
#endif
    }
    if
    :: to == me -> atomic { take(me) }
#ifdef BUG_NOT_PASSED_ON
    :: else
#else
    :: else -> notify(me)
#endif
    fi;
    to = 0
}

inline given(me) {
    atomic {
        seer = me;
        private(me);
#ifdef BUG_GIFT_UNSCHEDULED
        scheduled = true;
        enqueue(me)
#else
        queued[me] = true
#endif
    }
}

inline receive(me) {
    atomic {
        do
        :: len(inbox[me]) > 0 -> inbox[me]?link; batch[me]!link
        :: else -> break
        od
    }
    do
    :: len(batch[me]) > 0 ->
        batch[me]?link;
        if
        :: link == NOTIFY -> notified(me)
        :: link == GIFT -> given(me)
        fi
    :: else -> break
    od;
    link = 0
}

/* Gives the cell, which waits in our queue, to `other`. share.c claims a sleeper first and wakes it last; exit.c (there for a
 * dead cell) pushes, and wakes if that is called for. Both are tried. */
inline give(me, other) {
    if
    :: atomic { parked[other] -> parked[other] = false; is_claimed = true }
    :: true
    fi;
    atomic {
        private(me);
        queued[me] = false;
#ifdef BUG_GIFT_UNSCHEDULED
        scheduled = false;
        turns = 0;
#endif
        seer = NOBODY
    }
#ifdef BUG_GIFT_FIRST
    inbox[other]!GIFT;
#endif
    atomic {
        owner = other;
        readable = readable | (1 << other)
    }
#ifndef BUG_GIFT_FIRST
    inbox[other]!GIFT;
#endif
    if
    :: is_claimed ->
        /* The sleeper may have woken by itself since it was claimed, and be about to sleep again without having seen the gift: a
         * wake-up alone could come before it sleeps. The push turns PARKED into CLAIMED once more; then the wake-up is for certain. */
#ifndef BUG_CLAIM_ONCE
        parked[other] = false;
#endif
#ifndef BUG_CLAIM_UNWOKEN
        asleep[other] = false
#endif
    :: else -> claim_and_wake(other)
    fi;
    is_claimed = false
}

/* One turn of B: a message after the other, as long as its budget lasts. */
inline turn(me) {
    atomic {
        private(me);
        queued[me] = false
    }
#ifdef BUG_TAKE_EARLY
    atomic { take(me) }
#endif
    do
    :: atomic {
        len(mailbox) > 0 ->
        private(me);
        mailbox?sender, number;
        assert(number == next_number[sender]); /* P5 */
        next_number[sender]++;
        handled++;
        sender = 0;
        number = 0
    }
    :: atomic {
        len(mailbox) > 0 ->
        private(me);
        queued[me] = true; /* the budget is used up */
        break
    }
    :: atomic {
        len(mailbox) == 0 ->
        private(me);
        scheduled = false;
        turns = 0;
        break
    }
    od
}

/* A's message to B: directly if B is here and nothing is in front of it, else as anybody's. */
inline send_local(me) {
    atomic {
        if
        :: seer == me -> to = me
        :: else -> load_owner(me, to)
        fi;
        if
#ifdef BUG_LOCAL_OVERTAKES
        :: to == me ->
#else
        :: to == me && len(remote) == 0 ->
#endif
#ifndef BUG_LOCAL_RELAXED
            seer = me;
#endif
            private(me);
            mailbox!me, local_sent;
            sent++;
            wake(me);
            is_direct = true
        :: else
        fi;
        to = 0
    }
    if
    :: is_direct -> skip
    :: else -> push(me, local_sent)
    fi;
    is_direct = false;
    local_sent++
}

inline sleep(me) {
#ifdef BUG_PARK_UNCHECKED
    if
    :: len(inbox[me]) == 0 -> parked[me] = true; is_parked = true
    :: else
    fi;
#else
    parked[me] = true;
    if
    :: len(inbox[me]) == 0 -> is_parked = true
    :: else
    fi;
#endif
    if
    :: is_parked ->
        atomic { /* the futex: the kernel compares and sleeps in one step */
            if
            :: parked[me] -> asleep[me] = true
            :: else
            fi
        }
end_asleep:
        do
        :: !asleep[me] -> break
        :: atomic { asleep[me] && spurious > 0 -> spurious--; asleep[me] = false }
        od
    :: else
    fi;
    is_parked = false;
    parked[me] = false
}

active [SLOTS] proctype slot() {
    byte to, other, sender, number, local_sent;
    mtype link;
    bool claimed, was_empty, is_parked, is_claimed, is_direct;

    do
    :: len(inbox[_pid]) > 0 -> receive(_pid)
    :: queued[_pid] -> turn(_pid)
    :: queued[_pid] ->
        atomic { /* anybody but ourselves */
            if
            :: _pid != 0 -> other = 0
            :: _pid != 1 -> other = 1
#if SLOTS > 2
            :: _pid != 2 -> other = 2
#endif
            fi
        }
        give(_pid, other);
        other = 0
    :: _pid == SLOTS - 1 && local_sent < LOCAL -> send_local(_pid)
    :: !queued[_pid] && len(inbox[_pid]) == 0 -> sleep(_pid)
    od
}

active proctype plain_thread() {
    byte to, number;
    bool claimed, was_empty;

    do
    :: number < FOREIGN -> push(PLAIN, number); number++
    :: else -> break
    od
}

/* `timeout` holds when nothing else can go on: all slots sleep, and the plain thread has ended. */
active proctype rest() {
    timeout ->
    assert(handled == sent) /* P1 */
}
