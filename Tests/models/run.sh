#!/usr/bin/env bash
# Tests/models/run.sh [--full] - checks the models of the protocols (docs/internals/models/*.pml) with spin, every interleaving of them.
#
# A model must hold in each of its configurations, and each bug planted in it (-DBUG_...) must break the property it is meant to
# break: that shows that the property is one. --full adds configurations that take minutes and gigabytes. Prints a line for each, the
# end of the log of what failed, and at last "N passed, N failed". Exit status 0 only if nothing failed.
set -uo pipefail
cd "$(dirname "$0")/../.."
models=$PWD/docs/internals/models
full=${1:-}
passed=0 failed=0

for tool in spin gcc; do
    command -v "$tool" >/dev/null || {
        echo "FAIL $tool is not installed"
        echo "0 passed, 1 failed"
        exit 1
    }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# search MODEL FLAG... - leaves what the search printed in $work/log; fails if there was none.
search() {
    local model=$1
    shift
    (
        cd "$work" && rm -f pan* ./*.trail && cp "$models/$model.pml" . &&
            spin -a "$@" "$model.pml" && gcc -O1 -w -DSAFETY -DCOLLAPSE -DMEMLIM=8000 -o pan pan.c && ./pan -m2000000
    ) >"$work/log" 2>&1
}

count() { # count ok|FAIL TEXT
    echo "$1 $2"
    if [ "$1" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)) && tail -n 25 "$work/log"; fi
}

# holds MODEL FLAG... - the model has no error, and was searched to the end.
holds() {
    local result=FAIL
    search "$@" && grep -q 'errors: 0' "$work/log" && ! grep -qE 'Search not completed|depth too small|out of memory' "$work/log" && result=ok
    count "$result" "$* holds ($(awk '/states, stored/ {print $1}' "$work/log") states)"
}

# catches MODEL BUG ASSERTION - the planted bug violates this very assertion.
catches() {
    local result=FAIL
    search "$1" "-DBUG_$2"
    grep -F 'assertion violated' "$work/log" | grep -qF -- "$3" && result=ok
    count "$result" "$1 with $2 violates $3"
}

lost='handled==sent'
holds mailbox -DFOREIGN=2 -DLOCAL=1
holds mailbox -DFOREIGN=1 -DLOCAL=2
if [ "$full" = --full ]; then
    holds mailbox
    holds mailbox -DSLOTS=3 -DFOREIGN=1 -DLOCAL=1 -DSPURIOUS=0
fi
catches mailbox PARK_UNCHECKED "$lost"
catches mailbox NOT_PASSED_ON "$lost"
catches mailbox WAKE_FIRST "$lost"
catches mailbox CLAIM_UNWOKEN "$lost"
catches mailbox CLAIM_ONCE "$lost"
catches mailbox ALWAYS_NOTIFY '!(linked)'
catches mailbox TAKE_EARLY '!(linked)'
catches mailbox GIFT_UNSCHEDULED 'turns==0'
catches mailbox FLAG_IGNORED 'turns==0'
catches mailbox GIFT_FIRST 'owner==_pid'
catches mailbox OWNER_RELAXED 'seer==_pid'
catches mailbox LOCAL_RELAXED 'seer==_pid'
catches mailbox LOCAL_OVERTAKES 'number==next_number[sender]'

settled='linked[0]&& !(dead[0])'
holds links
[ "$full" != --full ] || holds links -DACTIONS=6
catches links EXIT_UNCHECKED '!(unlinked[me])'
catches links NO_ACK "$settled"
catches links ACK_UNCHECKED "$settled"
catches links DEAD_SILENT "$settled"
catches links LINK_KEPT "$settled"

one_down='(downs[0]==1)&&(downs[1]==1)'
holds ending
catches ending PID_UNCHECKED 'meant_for==generation'
catches ending SAME_PID "$one_down"
catches ending DEAD_SILENT "$one_down"
catches ending REMOTE_DROPPED "$one_down"
catches ending TOLD_TWICE 'downs[i]<=1'
catches ending DOWN_OVERTAKES 'got_it'

holds handoff
[ "$full" != --full ] || holds handoff -DHANDOFFS=3
catches handoff STILL_THERE 'runs[slot]==1'
catches handoff CLAIM_UNCHECKED 'slot!=255'
catches handoff SLOT_LATE 'slot!=255'
catches handoff SPARE_STORED 'ended==4'
catches handoff QUIT_FIRST 'ended==4'

holds parking
holds parking -DSTOPPER
for bug in UNCHECKED EVENT_UNSEEN FUTEX_BLIND PARK_RELAXED PUSH_RELAXED WAKE_UNCLAIMED; do
    catches parking $bug '(taken==(2*1))&&seen'
done
for bug in CLAIM_TRUSTED UNCOUNTED; do
    catches parking $bug '(taken==(1*2))&&seen'
done

holds polling
for bug in LOOK_TRUSTED FIRST_UNSEEN FIRST_UNTOLD; do
    catches polling $bug 'found==2'
done
catches polling BELL_DEAF '!(sent[0])'

holds sharing
[ "$full" != --full ] || holds sharing -DSTART=7 -DSPURIOUS=2
catches sharing KEPT '(ran&process)==0'
for bug in GIFT_UNCLAIMED CLAIM_UNWOKEN CLAIMED_ONCE HUNGRY_UNWOKEN; do
    catches sharing $bug 'ran==((3|8)|16)'
done

holds rescue
holds rescue -DROUNDS=4
catches rescue NO_BARRIER 'users==1'
catches rescue NO_INSIDE 'users==1'
catches rescue CLAIM_UNCHECKED 'users==1'
catches rescue PIN_LAST 'users==1'
catches rescue REJOIN_AT_ONCE 'users==1'
catches rescue FAULT_UNDECIDED 'back'
catches rescue BURY_EARLY '!(freed)'
catches rescue BACK_BEFORE_LEFT '!(on_stack)'
holds rescue -DKEEPS
holds rescue -DKEEPS -DROUNDS=4
catches rescue WAITS_LATE '!(forgotten)'
catches rescue NOT_DISMISSED '!(forgotten)'
catches rescue STILL_USED 'users==1'

holds line
holds line -DGIVES_UP
[ "$full" != --full ] || holds line -DGIVES_UP -DCALLS=5
for bug in UNRUNG LOOK_FIRST ASK_ELSEWHERE; do
    catches line $bug 'thread_ended&&'
done
for bug in TAKEN_ALWAYS TAKEN_UNEQUAL; do
    catches line $bug 'begun[number]==1'
done
catches line RING_ALWAYS '!(linked)'
for bug in HOLD_LATE LET_GO_EARLY; do
    catches line $bug '!(freed)'
done
catches line HOLD_KEPT 'freed'
for bug in RUNG_UNSEEN BELL_FORGETS; do
    catches line $bug '!(was_given_up)'
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
