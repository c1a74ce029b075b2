/* links.pml - two processes that link, unlink and end as they like: both sides settle to the same state (R16, R17, R18).
 *
 * What is modelled: each side keeps one relation for the pair, with the id of the unlink under way, if there is one. Signals of one
 * side arrive at the other in order (R12). Unlink keeps the relation, marked with a new id, until the acknowledgement with that id comes;
 * meanwhile an exit of the other is not heeded. Linking again takes the mark away, so that the late acknowledgement finds another
 * id. What is sent to a dead process is answered for it: a link by an exit, an unlink by an acknowledgement.
 *
 * From the code: abi/link.c (link_here, unlink_here), process/signal.c (signal_unlink, signal_unlink_ack, signal_link_exit,
 * signal_to_dead), process/exit.c (exit_tell).
 *
 * Properties, each with a planted bug that breaks it:
 *   L1 after unlink, and until either side links again, no exit is delivered            BUG_EXIT_UNCHECKED
 *   L2 when nothing is under way, both sides are linked or neither is,                   BUG_NO_ACK, BUG_ACK_UNCHECKED,
 *      and nobody is linked with the dead                                                 BUG_DEAD_SILENT
 *   L3 an exit is delivered at most once for each link                                    BUG_LINK_KEPT
 *
 * Size: ACTIONS 4 on each side. */

#ifndef ACTIONS
#define ACTIONS 4
#endif

mtype = { LINK, UNLINK, ACK, EXIT };

chan to[2] = [10] of { mtype, byte };
bool linked[2];      /* there is a relation */
byte unlinking[2];   /* the id of the unlink under way, 0 if there is none */
bool dead[2];
bool unlinked[2];    /* for L1: unlink has returned, and nobody has linked since */
byte delivered[2];   /* for L3 */
byte last_id[2];
byte done;

#define other (1 - me)

inline arrives(me) {
    to[me]?kind, id;
    if
    :: dead[me] ->
#ifndef BUG_DEAD_SILENT
        if
        :: kind == LINK -> to[other]!EXIT, 0
        :: kind == UNLINK -> to[other]!ACK, id
        :: else
        fi
#else
        skip
#endif
    :: !dead[me] && kind == LINK ->
        unlinked[me] = false;
        linked[me] = true
    :: !dead[me] && kind == UNLINK ->
        if
        :: linked[me] && unlinking[me] == 0 -> linked[me] = false
        :: else
        fi;
        to[other]!ACK, id
    :: !dead[me] && kind == ACK ->
        if
#ifdef BUG_ACK_UNCHECKED
        :: linked[me] ->
#else
        :: linked[me] && unlinking[me] == id ->
#endif
            linked[me] = false;
            unlinking[me] = 0
        :: else
        fi
    :: !dead[me] && kind == EXIT ->
        if
#ifdef BUG_EXIT_UNCHECKED
        :: linked[me] ->
#else
        :: linked[me] && unlinking[me] == 0 ->
#endif
            assert(!unlinked[me]); /* L1 */
            delivered[me]++;
            assert(delivered[me] <= 1); /* L3 */
#ifndef BUG_LINK_KEPT
            linked[me] = false;
            unlinking[me] = 0
#endif
        :: else
        fi
    fi
}

proctype side(byte me) {
    byte left = ACTIONS, id;
    mtype kind;
    do
    :: atomic { nempty(to[me]) -> arrives(me) }
    :: atomic { left > 0 && !dead[me] -> left--;
        if
        :: !linked[me] || unlinking[me] != 0 -> /* link */
            unlinked[me] = false;
            delivered[me] = 0;
            linked[me] = true;
            unlinking[me] = 0;
            to[other]!LINK, 0
        :: linked[me] && unlinking[me] == 0 -> /* unlink */
            unlinked[me] = true;
            last_id[me]++;
#ifdef BUG_NO_ACK
            linked[me] = false;
#else
            unlinking[me] = last_id[me];
#endif
            to[other]!UNLINK, last_id[me]
        fi }
    :: atomic { left > 0 && !dead[me] -> /* end */
        left = 0;
        dead[me] = true;
        if
        :: linked[me] && unlinking[me] == 0 -> to[other]!EXIT, 0
        :: else
        fi }
    :: atomic { left > 0 && !dead[me] -> left = 0 } /* enough */
    :: atomic { (left == 0 || dead[me]) && empty(to[0]) && empty(to[1]) && timeout -> break }
    od;
    done++;
    if
    :: done == 2 ->
        assert((linked[0] && !dead[0]) == (linked[1] && !dead[1]) || (dead[0] && dead[1])) /* L2 */
    :: else
    fi
}

init {
    atomic { run side(0); run side(1) }
}
