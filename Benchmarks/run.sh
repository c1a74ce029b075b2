#!/bin/bash
# run.sh [--smoke | --full] - build the peers, run every workload of each, print the comparison in Markdown.
#
#   (nothing)  a quick run: the peers and scales below fit ten minutes on two cores. `make bench`
#   --full     longer runs, more peers. For figures to be quoted, on a machine that does nothing else.
#   --smoke    apus-c alone, tiny: does every workload's own check pass? `make bench-smoke`
#
# Environment:
#   BENCH_PEERS       of: apus-c erlang go caf tokio swift-actors swift-tell swift-mailbox. One that cannot be built is named and
#                     left out (setup.sh installs what they need)
#   BENCH_CORES       core counts, each of which gets a table (default: 1, 2, 4 ... and all)
#   WORKLOADS         default: all
#   RUNS              how often, default 3; of which the median, least and most are shown
#   BENCH_BUDGET      seconds; a round that would not fit any more is not begun. The first always ends. Default 570, --full: none
#   SCALE             multiplies the amount of work; SCALE_<workload> replaces that workload's own factor, see below
#   LIMIT             seconds that one run may take, default 60, --full 120
#   BUILD_ROOT        default build/bench. Single results (raw-*.csv), what the programs say (log-*.txt) and the report stay there
#
# Rounds go outermost and peers innermost, so all peers share a moment's noise, each later round begins with the next peer, and a
# round more or less changes only how often something was measured. Every peer gets the same scale.
#
# Exit status: 0; 1 if a run failed its own check, crashed or ran past LIMIT; 2 for wrong use.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.." || exit 2

# What to do, by mode.
all_workloads="pingpong pairs ring bang big spawn idle_mem skynet call restart restart_fresh timers fairness fairness_max fib"
mode=${1:-quick}
case $mode in
quick)
    default_peers="apus-c erlang go caf tokio swift-actors" default_runs=3 budget=${BENCH_BUDGET:-570} limit=${LIMIT:-60}
    # These keep the slower peers near a second each.
    declare -A factor=([pingpong]=0.5 [pairs]=0.3 [ring]=0.5 [bang]=0.5 [big]=4 [spawn]=0.5 [idle_mem]=0.1 [call]=0.5
                       [restart]=0.1 [restart_fresh]=0.4 [timers]=0.2 [fairness]=0.5 [fairness_max]=0.5)
    ;;
--full)
    default_peers="apus-c erlang go caf tokio swift-actors swift-mailbox" default_runs=5 budget=${BENCH_BUDGET:-1000000} limit=${LIMIT:-120}
    # Those that the faster peers finish too soon get more work. timers gets less: past one second the first of them expire.
    declare -A factor=([pingpong]=2 [ring]=2 [big]=10 [spawn]=3 [skynet]=2 [call]=4 [restart_fresh]=4 [timers]=0.5 [fib]=3)
    ;;
--smoke)
    default_peers="apus-c" default_runs=1 budget=${BENCH_BUDGET:-1000000} limit=${LIMIT:-20}
    declare -A factor=()
    for w in $all_workloads; do factor[$w]=0.01; done
    ;;
*) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
esac
default_cores=1
for (( c = 2; c < $(nproc); c *= 2 )); do default_cores+=" $c"; done
(( $(nproc) > 1 )) && default_cores+=" $(nproc)"
read -ra wanted_peers <<< "${BENCH_PEERS:-$default_peers}"
read -ra workloads <<< "${WORKLOADS:-$all_workloads}"
read -ra core_counts <<< "${BENCH_CORES:-$default_cores}"
runs=${RUNS:-$default_runs} root=${BUILD_ROOT:-build/bench}
for c in "${core_counts[@]}"; do
    [[ $c =~ ^[0-9]+$ ]] && (( c >= 1 && c <= $(nproc) )) || { echo "bench: this machine has $(nproc) cores, not $c" >&2; exit 2; }
done
for w in "${workloads[@]}"; do
    [[ " $all_workloads " == *" $w "* ]] || { echo "bench: no workload $w" >&2; exit 2; }
done
scale_of() { local v=SCALE_$1; awk -v a="${!v:-${factor[$1]:-1}}" -v b="${SCALE:-1}" 'BEGIN { printf "%g", a * b }'; }
folder_of() { case $1 in swift-*) echo swift-actors ;; *) echo "$1" ;; esac; }

# Build.
mkdir -p "$root"
stamp=$(date +%Y%m%d-%H%M%S)
raw=$root/raw-$stamp.csv log=$root/log-$stamp.txt report=$root/report-$stamp.md
echo "round,peer,workload,cores,scale,value,unit,wall_s,load" > "$raw"
: > "$log"
declare -A built
peers=() left_out=()
for p in "${wanted_peers[@]}"; do
    f=$(folder_of "$p")
    [[ -d $here/Peers/$f ]] || { echo "bench: no peer $p" >&2; exit 2; }
    if [[ -z ${built[$f]:-} ]]; then
        echo "bench: building $f" >&2
        built[$f]=no
        sh "$here/Peers/$f/build.sh" "$root/$f" >> "$log" 2>&1 && built[$f]=yes
    fi
    if [[ ${built[$f]} == yes ]]; then peers+=("$p"); else left_out+=("$p"); fi
done
(( ${#left_out[@]} == 0 )) || echo "bench: left out, could not be built: ${left_out[*]} (Benchmarks/setup.sh installs what peers need; see $log)" >&2
(( ${#peers[@]} )) || exit 1
# Apus is what is to be measured: a comparison without it was not asked for, unless BENCH_PEERS says so.
[[ " ${left_out[*]:-} " == *" apus-"* ]] && { tail -n 5 "$log" >&2; exit 1; }

# Run. no_more[peer,workload,cores] is why it is not run again: "-" (no form of it) or FAIL.
declare -A no_more
failed=0 done_runs=0 rounds=0
total_runs=$(( runs * ${#workloads[@]} * ${#core_counts[@]} * ${#peers[@]} ))

run_one() { # round peer workload cores
    local key=$2,$3,$4 scale line rc begin wall load
    scale=$(scale_of "$3")
    (( ++done_runs ))
    [[ -n ${no_more[$key]:-} ]] && return
    echo "# round $1: $2 $3 cores $4 scale $scale" >> "$log"
    load=$(cut -d' ' -f1 /proc/loadavg)
    begin=$EPOCHREALTIME
    line=$(SWIFT_PEER=$2 timeout "$limit" sh "$here/Peers/$(folder_of "$2")/run.sh" "$root/$(folder_of "$2")" "$3" "$4" "$scale" 2>> "$log")
    rc=$?
    wall=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')
    if (( rc == 0 )) && [[ $line =~ ^$2,$3,$4,([0-9.]+|inf),([^,]+)$ ]]; then
        echo "$1,$2,$3,$4,$scale,${BASH_REMATCH[1]},${BASH_REMATCH[2]},$wall,$load" >> "$raw"
        printf 'bench: [%d/%d, %d s] %s\n' "$done_runs" "$total_runs" "$SECONDS" "$line" >&2
    elif (( rc == 3 )); then
        no_more[$key]=-
    else
        no_more[$key]=FAIL
        failed=1
        (( rc == 124 )) && line="not done after $limit s"
        echo "# failed, status $rc: $line" >> "$log"
        printf 'bench: [%d/%d, %d s] %s %s on %s cores FAILED, status %d: %s\n' "$done_runs" "$total_runs" "$SECONDS" "$2" "$3" "$4" "$rc" "$line" >&2
    fi
}

run_round() { # round
    local w c i
    for c in "${core_counts[@]}"; do
        for w in "${workloads[@]}"; do
            for (( i = 0; i < ${#peers[@]}; i++ )); do
                run_one "$1" "${peers[(i + $1 - 1) % ${#peers[@]}]}" "$w" "$c"
            done
        done
    done
}

# Seconds of processor time: of the whole machine, and of what this script started.
machine_seconds() { awk -v hz="$(getconf CLK_TCK)" '/^cpu / { print ($2 + $3 + $4 + $7 + $8) / hz }' /proc/stat; }
stolen_seconds() { awk -v hz="$(getconf CLK_TCK)" '/^cpu / { print $9 / hz }' /proc/stat; }
# `times` must run in this shell: a subshell's own account begins at zero.
own_seconds() { times > "$root/times"; awk '{ for (i = 1; i <= 2; i++) { split($i, t, /[ms]/); s += t[1] * 60 + t[2] } } END { print s }' "$root/times"; }

load_before=$(cut -d' ' -f1-3 /proc/loadavg)
machine_before=$(machine_seconds) stolen_before=$(stolen_seconds)
own_seconds > "$root/own"; own_before=$(< "$root/own")
SECONDS=0
for (( r = 1; r <= runs; r++ )); do
    round_began=$SECONDS
    run_round "$r"
    rounds=$r
    (( r < runs && SECONDS + (SECONDS - round_began) > budget )) && { echo "bench: the budget of $budget s ends it after $r of $runs rounds" >&2; break; }
done
elapsed=$SECONDS
own_seconds > "$root/own"; own_after=$(< "$root/own")
rm -f "$root/own" "$root/times"
others=$(awk -v a="$machine_before" -v b="$(machine_seconds)" -v c="$own_before" -v d="$own_after" -v t="$elapsed" -v n="$(nproc)" \
    'BEGIN { x = t > 0 ? 100 * ((b - a) - (d - c)) / (t * n) : 0; printf "%.0f", x < 0 ? 0 : x }')
stolen=$(awk -v a="$stolen_before" -v b="$(stolen_seconds)" -v t="$elapsed" -v n="$(nproc)" 'BEGIN { printf "%.1f", (t > 0 ? 100 * (b - a) / (t * n) : 0) }')

# Report.
print_head() {
    local f
    echo "# Apus and its peers, $(date +%Y-%m-%d)"
    echo
    echo "Medians of $rounds interleaved runs, with [least to most]. Mode: ${mode#--}. Took $elapsed s."
    echo
    echo "- machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores," \
        "$(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo), NUMA nodes: $(ls -d /sys/devices/system/node/node[0-9]* 2>/dev/null | wc -l)," \
        "$(grep -qm1 '^flags.* hypervisor' /proc/cpuinfo && echo 'a virtual machine' || echo 'no hypervisor'), Linux $(uname -r)"
    echo "- load: $load_before before, $(cut -d' ' -f1-3 /proc/loadavg) after; other programs used $others % of the machine meanwhile, its host took $stolen %"
    (( others >= 10 )) && echo "- **The machine was shared: gaps under 2x mean little here.**"
    for f in $(for p in "${peers[@]}"; do folder_of "$p"; done | sort -u); do
        echo "- $f: $(head -n 1 "$root/$f/version.txt" 2>/dev/null)"
    done
    (( ${#left_out[@]} == 0 )) || echo "- left out, could not be built: ${left_out[*]}"
    echo "- amount of work: $(for w in "${workloads[@]}"; do printf '%s x%s, ' "$w" "$(scale_of "$w")"; done | sed 's/, $//') (Benchmarks/README.md says of what)"
}

list_no_more() { local k; for k in "${!no_more[@]}"; do echo "$k,${no_more[$k]}"; done; }

print_table() { # cores
    echo
    echo "## $1 core$( (( $1 > 1 )) && echo s)"
    echo
    list_no_more | awk -F, -v OFS=, -v cores="$1" -v peers="${peers[*]}" -v workloads="${workloads[*]}" -f "$here/table.awk" - "$raw"
}

{
    print_head
    for c in "${core_counts[@]}"; do print_table "$c"; done
    cat <<'NOTES'

`ratio` is how many times better the first Apus column is than the best peer that is raced: those with a mailbox. swift-actors is
shown beside them: its `await` runs the receiver on the caller's thread when nobody else is inside, with no message in between.
Verdict: **twice** from 2 up, *ahead* from 1.1, level from 0.9, **behind** below; with `?` where the two spreads overlap, so that
another run may say otherwise. `-`: no form of the workload. FAIL: its own check failed, it crashed or took too long.
NOTES
    echo
    echo "Single results: $raw"
} > "$report"
cat "$report"
if (( failed )); then
    echo "bench: at least one run failed; the end of $log:" >&2
    tail -n 20 "$log" >&2
fi
exit "$failed"
