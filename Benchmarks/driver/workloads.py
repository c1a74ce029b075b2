"""The workloads: the one table that the driver, the report and the documentation share.

`quick`, `full` and `smoke` are the scales of the modes: they multiply the number that `what` shows in *italics*. Quick ones keep the
middle field of the peers near a quarter of a second. That of `scaling` is the quick one, unless it is given: where Apus is done in so
few milliseconds that the start of the second core would be most of what is measured.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Workload:
    name: str
    group: str  # "core": the first set, with every peer; "savina", "bencherl", "own"
    unit: str  # ends in /s: more is better; else less
    question: str
    what: str
    quick: float = 0.1
    full: float = 1.0
    smoke: float = 0.01
    scaling: float = 0.0
    scales: bool = False  # part of `make bench-scaling`: enough to do for every core
    alone: bool = False  # says nothing about more cores: quick runs measure it on all cores only

    @property
    def scaling_scale(self):
        return self.scaling or self.quick

    @property
    def more_is_better(self):
        return self.unit.endswith("/s")


SAVINA, BENCHERL, OWN = "savina", "bencherl", "own"

ALL = [
    # The first set: the definitions every peer here has a program for.
    Workload("pingpong", "core", "ns/msg", "what does one message cost, end to end, with nothing else to do?",
             "2 processes pass an integer back and forth, *1,000,000* round trips; two messages a round trip", 0.3, 2),
    Workload("pairs", "core", "msg/s", "does that hold for many at once, over cores?",
             "64 such pairs, *50,000* round trips each", 0.15, 1, scaling=1, scales=True),
    Workload("ring", "core", "ns/hop", "and when the next process is cold?",
             "1,000 processes in a circle, one token, *2,000,000* hops", 0.3, 2),
    Workload("bang", "core", "msg/s", "how do many senders get on with one mailbox?",
             "512 senders, *4,000* integers each, one receiver; the clock includes spawning the senders", 0.3, 1, scales=True),
    Workload("big", "core", "msg/s", "and all with all?",
             "512 processes ping all 511 others with their own pid and are answered; *1* round, at least one", 2, 10, scaling=10, scales=True),
    Workload("spawn", "core", "spawn/s", "what does a short life cost?",
             "*500,000* processes, at most 10,000 at once, each sends one message and ends", 0.3, 3, scales=True),
    Workload("idle_mem", "core", "bytes/proc", "what does a long quiet one cost?",
             "*1,000,000* processes, each has handled one message and waits; growth of VmRSS, with the pid kept for it", 0.1, 1, alone=True),
    Workload("skynet", "core", "s", "spawning, messages and ends together, in a wide tree",
             "10 children each, down to 10^6 leaves, sums back up; *1* repetition, at least one", 1, 2, scaling=4, scales=True),
    Workload("fib", "core", "s", "the same in a deep, uneven tree",
             "fib(27) with a process for each left branch: 317,810 spawns; *1* repetition, at least one", 1, 3, scaling=4, scales=True),
    Workload("call", "core", "ns/call", "what does request and reply cost the caller?",
             "one client, one counter server, *500,000* calls", 0.3, 4),
    Workload("restart", "core", "ns/restart", "how long is a crashed service away?",
             "a supervisor's only child is crashed by a message and says hello when it is back, *50,000* times", 0.1, 1),
    Workload("restart_fresh", "core", "ns/restart", "the same without the memory of earlier restarts",
             "a new supervisor for every 100 crashes; *50,000* crashes; starting and stopping it is not timed", 0.2, 4),
    Workload("timers", "core", "ns/timer", "what does a timeout that never strikes cost?",
             "*500,000* timers of 1 to 60 s are made, then cancelled; both together", 0.2, 0.5),
    Workload("fairness", "core", "us", "do others still get their turn beside endless loops?",
             "4 loops per core, and two processes that ping each other for *2* s; 99th percentile of a round trip", 0.25, 1),
    Workload("fairness_max", "core", "us", "and at worst?", "the same; the longest round trip", 0.25, 1),
    # Savina (Imam and Sarkar, 2014), with its default parameters.
    Workload("count", SAVINA, "msg/s", "one sender, one receiver, nothing comes back",
             "a producer sends *1,000,000* increments to a counter, then asks for the count", 0.3, 3),
    Workload("fork_join", SAVINA, "msg/s", "one sender, many receivers",
             "60 actors are sent *10,000* messages each, in turn; a message is a sine squared", 0.3, 5),
    Workload("fork_create", SAVINA, "spawn/s", "a process for each piece of work",
             "*40,000* actors, each spawned, sent one message, and ended by it", 1, 20, scales=True),
    Workload("thread_ring", SAVINA, "ns/hop", "a ring that fits the cache", "100 actors in a circle, one token, *100,000* hops", 3, 20),
    Workload("chameneos", SAVINA, "meetings/s", "a broker that everybody needs",
             "100 creatures meet in pairs at one mall, *200,000* meetings", 0.4, 3, scales=True),
    Workload("dictionary", SAVINA, "requests/s", "a server with much state",
             "20 workers, *10,000* requests each, 10 % writes, 524,287 keys", 0.3, 3),
    Workload("bounded_buffer", SAVINA, "items/s", "flow control by a manager",
             "buffer of 50, 40 producers, 40 consumers, *1,000* items each; an item costs 2,500 logarithms on each side", 0.04, 0.2,
             scales=True),
    Workload("philosophers", SAVINA, "meals/s", "an arbiter that refuses",
             "20 philosophers, *10,000* rounds each; who is refused both forks asks again", 0.3, 3),
    Workload("barber", SAVINA, "haircuts/s", "queues with a limit, and customers that come again",
             "*5,000* haircuts, waiting room of 1,000, production and haircut up to 1,000 random numbers each", 0.6, 5),
    Workload("smokers", SAVINA, "rounds/s", "work that starts when told", "200 smokers, *1,000* rounds, up to 1,000 random numbers each", 10, 100),
    Workload("bank", SAVINA, "transactions/s", "a server that waits for another",
             "1,000 accounts, *50,000* transactions; an account does nothing else until the other has answered", 0.5, 5),
    Workload("nqueens", SAVINA, "s", "uneven work by divide and conquer",
             "12 queens, 20 workers, boards handed out down to 4 queens; *1* repetition, at least one", 1, 3, scales=True),
    Workload("quicksort", SAVINA, "values/s", "a tree of processes that move data",
             "*1,000,000* values, split by processes down to 2,048", 0.3, 2, scales=True),
    Workload("matmul", SAVINA, "multiply-adds/s", "blocks of a shared matrix",
             "1,024 x 1,024 (256 x 256 at scales below 1), blocks of 16,384 elements, 20 workers", 0.1, 1, scaling=1, scales=True),
    Workload("sieve", SAVINA, "numbers/s", "a pipeline", "primes to *100,000*, filters of 1,000 primes each in a chain", 0.5, 2, scales=True),
    # bencherl (Aronis and others, 2012), with the parameters of its short runs.
    Workload("ehb", BENCHERL, "msg/s", "many groups at once",
             "50 groups, 20 senders to 20 receivers each, *250* messages of 104 bytes for each pair", 0.08, 0.5, scales=True),
    Workload("serialmsg", BENCHERL, "msg/s", "large messages through one process",
             "100 generators send *1,000* messages of 2,000 integers each to 100 receivers by one dispatcher", 0.03, 0.2),
    Workload("timer_wheel", BENCHERL, "msg/s", "a time limit on every answer",
             "1,000 processes ping all others one by one and wait with a time limit; their number grows with the root of the scale", 0.1, 1,
             scales=True),
    Workload("estone", BENCHERL, "rounds/s", "a mix",
             "16 runners, *1,000* rounds each of 160 messages of 8 to 4,096 bytes and back, 10 calls, 10 linked processes, 10 timers", 0.1, 1,
             scales=True),
    Workload("mbrot", BENCHERL, "points/s", "independent arithmetic", "*200* workers, each a Mandelbrot picture of 100 x 100", 0.5, 5,
             scales=True),
    Workload("orbit", BENCHERL, "vertices/s", "a distributed hash table",
             "100 workers, what g13 (two functions) reaches from 0 among *700* numbers", 1, 20, scales=True),
    # Our own.
    Workload("storm", OWN, "restarts/s", "when everything crashes at once",
             "all 1,000 children of one supervisor are crashed, *20* times", 0.5, 5),
    Workload("selective", OWN, "us", "receive by kind behind 100,000 others",
             "a process pings another and takes the answer out from behind 100,000 messages, *200* times", 0.1, 1, 0.05),
    Workload("selective_call", OWN, "ns/call", "a call behind 100,000 others", "the same by a call, *200,000* times", 0.1, 2, 0.005),
    Workload("fanin", OWN, "msg/s", "threads that are none of the runtime's", "4 plain threads send *500,000* integers each to one process", 0.2, 2),
    Workload("call_thread", OWN, "ns/call", "a call from a thread that is none of the runtime's",
             "a plain thread starts a counter server and calls it, *200,000* times", 0.2, 3, 0.005),
    Workload("echo", OWN, "round trips/s", "sockets",
             "TCP, 64 bytes, a process for each connection; 1, 10, 100 and 1,000 connections, *100,000* round trips; the value "
             "is that of 100",
             0.05, 1, alone=True),
    Workload("size_64", OWN, "bytes/s", "messages of 64 bytes", "*1,000,000* copies of a buffer to one receiver that reads all, 8 at once", 0.5, 5),
    Workload("size_1k", OWN, "bytes/s", "of 1 KiB", "*500,000* of them", 0.3, 3),
    Workload("size_16k", OWN, "bytes/s", "of 16 KiB", "*100,000* of them", 0.1, 1),
    Workload("size_256k", OWN, "bytes/s", "of 256 KiB", "*10,000* of them", 0.05, 0.5),
    Workload("size_1m", OWN, "bytes/s", "of 1 MiB", "*2,500* of them", 0.05, 0.5),
    Workload("idle_cpu", OWN, "us of CPU in a second", "what does doing nothing cost?", "10,000 processes wait for *2* s", 0.25, 2, 0.02,
             alone=True),
    Workload("latency", OWN, "us", "how long does a message take when all cores are busy?",
             "64 pairs keep the cores busy, two others exchange an integer for *1* s; 99th percentile of the wait of "
             "one who asks at any moment, from the histogram of round trips", 0.3, 3),
    Workload("million", OWN, "msg/s", "when nothing is in the cache", "*1,000,000* processes pass on a token each, 4 times", 0.1, 1, alone=True),
]

BY_NAME = {workload.name: workload for workload in ALL}
GROUP_TITLES = {
    "core": "The first set",
    "savina": "Savina",
    "bencherl": "bencherl",
    "own": "Our own",
}


def markdown_table(group):
    """The published table of a group, as it stands in Benchmarks/WORKLOADS.md."""
    rows = ["| workload | question | what runs | value | quick, full |", "|---|---|---|---|---|"]
    for w in ALL:
        if w.group == group:
            better = "more" if w.more_is_better else "less"
            rows.append(f"| {w.name} | {w.question} | {w.what} | {w.unit}, {better} is better | {w.quick:g}, {w.full:g} |")
    return "\n".join(rows)
