#!/usr/bin/env python3
"""Tests/mutation/mutate.py BUILD [COUNT [SEED] | FILE[:LINE]...] - changes the core in one place at a time, to see that a test notices.

The supervisor's decisions, the mailbox with its signals and bounds, and the inbox are changed as a slip of the pen would: a comparison
turned round, a condition denied, a step left out, one more or less. Each mutant is compiled, for a header with all that includes it,
linked with the tests that should notice, and runs them; those that no test notices are shown, and are failures unless Tests/mutation/survivors.txt says why they change nothing.
COUNT mutants are drawn by SEED, or those of the files and lines that are named; else all are tried. BUILD is build/release, built. The last line is "N passed, N failed".
"""
import glob, os, random, re, shutil, signal, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor

SUPERVISOR = ["unit/supervisor_core_test", "unit/intensity_test", "play", "conformance/supervisor_test"]
MAILBOX = ["play", "simulation/seeds_test", "conformance/link_test", "conformance/monitor_test", "conformance/exit_test", "conformance/mailbox_test",
           "conformance/order_test", "conformance/request_test", "conformance/circle_test", "conformance/receive_test", "abi/inspect_test",
           "abi/message_test", "abi/start_test", "simulation/space_test", "unit/held_up_test"]
INBOX = ["unit/inbox_test", "weak", *MAILBOX]
LINES = ["unit/segment_test", *MAILBOX, "unit/heap_test"]
CALLS = ["abi/line_test", "abi/call_test", "abi/caller_test", "conformance/request_test", "abi/start_test", "abi/inspect_test",
         "torture/start_stop_test"]
FILES = {
    "CSources/otp/decision.c": SUPERVISOR, "CSources/otp/decision_stop.c": SUPERVISOR, "CSources/otp/intensity.c": SUPERVISOR,
    "CSources/otp/children.c": SUPERVISOR, "CSources/otp/strategy_dynamic.c": SUPERVISOR,
    "CSources/otp/strategy_one_for_all.c": SUPERVISOR, "CSources/otp/strategy_one_for_one.c": SUPERVISOR,
    "CSources/otp/strategy_rest_for_one.c": SUPERVISOR, "CSources/process/signal.c": MAILBOX, "CSources/process/bound.c": MAILBOX,
    "CSources/queue/inbox.h": INBOX, "CSources/process/segment.h": LINES, "CSources/process/process.h": LINES,
    "CSources/process/signal.h": MAILBOX, "CSources/scheduler/line.c": ["unit/line_test", "unit/foreign_test", *CALLS],
    "CSources/scheduler/foreign.c": ["unit/foreign_test", *CALLS],
    "CSources/abi/line.c": ["unit/foreign_test", *CALLS, "simulation/simulate_test"],
}
# Where a test lies, if not in Tests/C.
ELSEWHERE = {"play": "Tests/otp/play.c", "weak": "Tests/weak/weak_test.c"}
# Of process.h, what makes the mailbox.
CHOSEN = {"CSources/process/process.h": re.compile(r"_mailbox_\w+\(")}
RULES = [
    (r" == ", " != "), (r" != ", " == "), (r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "), (r" && ", " || "),
    (r" \|\| ", " && "), (r" \+ 1\b", " + 2"), (r" - 1\b", " - 0"), (r"\btrue\b", "false"), (r"\bfalse\b", "true"),
    (r"\bif \((.*)\)$", r"if (!(\1))"), (r"\bif \((.*)\) \{$", r"if (!(\1)) {"), (r"\breturn ([a-z_]+);", r"return !\1;"),
    (r"^( +)[a-z_]+\(.*\);$", r"\1;"), (r"^( +)[a-z_>.-]+ (=|\|=|&=) [^;{]*;$", r"\1;"), (r"\bcontinue;", "break;"),
]
# Functions that check invariants for the tests, and those that choose where a process runs, which is a matter of speed.
LEFT_OUT = re.compile(r"_is_valid\(|\bsignal_follow(_bulk)?\(")
CFLAGS = ("-O1 -std=gnu11 -w -fPIC -fvisibility=hidden -ftls-model=initial-exec -pthread -ICSources -ICSources/include -ITests/C").split()
LIBS = "-lurcu-memb -lurcu-cds -lurcu-common -lnuma -pthread -lm".split()


def mutants(path):
    """(path, line number, the line, the new line) for each place where a rule applies; comments, declarations, assertions and what is
    LEFT_OUT are left alone."""
    inside, head = False, ""
    chosen = CHOSEN.get(path, re.compile(""))
    for number, line in enumerate(open(path).read().split("\n")):
        if line.startswith("{"):
            inside = not LEFT_OUT.search(head) and chosen.search(head)
        elif line[:1].isalpha():
            head = line
        elif line.startswith("}"):
            inside = False
        if not inside or line.strip().startswith("//") or re.search(r"\b(apus_check|apus_debug\w*|assert)\(|likely", line):
            continue
        for pattern, replacement in RULES:
            changed = re.sub(pattern, replacement, line, count=1)
            if changed != line:
                yield path, number, line, changed


def compiles(source, target, folders=()):
    return subprocess.run(["gcc", *[f"-I{folder}" for folder in folders], *CFLAGS, "-c", "-o", target, source], capture_output=True).returncode == 0


def includers(header):
    """The sources that include the header, straight or not."""
    sources = sorted(glob.glob("CSources/*/*.c") + glob.glob("Tests/C/*/*.c") + list(ELSEWHERE.values()))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rules = list(pool.map(lambda source: subprocess.run(["gcc", *CFLAGS, "-MM", source], capture_output=True, text=True).stdout, sources))
    return {source for source, rule in zip(sources, rules) if header in rule.split()}


def test_object(target, work, folders, affected):
    """The test, compiled: the first time, or for this mutant if it includes what was changed."""
    source = ELSEWHERE.get(target, f"Tests/C/{target}.c")
    own = source in affected
    test = f"{work}/{'mutant-' if own else ''}{target.replace('/', '-')}.o"
    if (own or not os.path.exists(test)) and not compiles(source, test, folders if own else ()):
        sys.exit(f"mutate: {source} does not compile")
    return test


def build(target, objects, out, work, build_folder, folders=(), affected=()):
    test = test_object(target, work, folders, affected)
    return subprocess.run(["gcc", "-o", out, test, *objects, f"{build_folder}/libapus.a", *LIBS], capture_output=True).returncode == 0


def notices(target, binary, reference):
    """Whether the scenarios go otherwise, or a test fails; what comes after the first one that does is not waited for."""
    if target == "play":
        try:
            run = subprocess.run([binary, "Tests/otp/scenarios.txt", "1"], capture_output=True, timeout=40)
        except subprocess.TimeoutExpired:
            return True
        return run.returncode != 0 or run.stdout != reference
    run = subprocess.Popen([binary], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
                           env=dict(os.environ, TEST_TIMEOUT="10", TEST_SCALE="0.1"))
    for line in run.stdout:
        if line.startswith(b"FAIL"):
            os.killpg(run.pid, signal.SIGKILL)
            break
    return run.wait() != 0


def compile_mutant(path, lines, work, affected):
    """The objects that are other than the library's, and the folders in which the changed header is found; None if it does not compile."""
    if path.endswith(".c"):
        source = f"{work}/{os.path.basename(path)}"
        open(source, "w").write("\n".join(lines))
        return ([f"{work}/mutant.o"], []) if compiles(source, f"{work}/mutant.o", [os.path.dirname(path)]) else None
    header = path.replace("CSources", f"{work}/changed")
    os.makedirs(os.path.dirname(header), exist_ok=True)
    open(header, "w").write("\n".join(lines))
    sources = sorted(source for source in affected if source.startswith("CSources"))
    objects = [f"{work}/mutant-{source.replace('/', '-')}.o" for source in sources]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        fine = list(pool.map(lambda pair: compiles(*pair, [f"{work}/changed"]), zip(sources, objects)))
    return (objects, [f"{work}/changed"]) if all(fine) else None


def try_mutant(mutant, work, build_folder, reference, affected):
    """killed by which test, "stillborn" (does not compile), or None."""
    path, number, _, changed = mutant
    lines = open(path).read().split("\n")
    lines[number] = changed
    compiled = compile_mutant(path, lines, work, affected)
    if not compiled:
        return "stillborn"
    try:
        for target in FILES[path]:
            if not build(target, compiled[0], f"{work}/test", work, build_folder, compiled[1], affected) or \
               notices(target, f"{work}/test", reference):
                return target
    finally:
        shutil.rmtree(f"{work}/changed", ignore_errors=True)
    return None


def main():
    build_folder = sys.argv[1]
    chosen = [m for path in FILES for m in mutants(path)]
    total = len(chosen)
    if len(sys.argv) > 2 and not sys.argv[2].isdigit():
        chosen = [m for m in chosen if m[0] in sys.argv[2:] or f"{m[0]}:{m[1] + 1}" in sys.argv[2:]]
    elif len(sys.argv) > 2:
        random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1).shuffle(chosen)
        chosen = chosen[:int(sys.argv[2])]
    explained = [line.split(" | ")[:3] for line in open("Tests/mutation/survivors.txt") if " | " in line and line[0] != "#"]
    killed = stillborn = known = 0
    survivors = []
    with tempfile.TemporaryDirectory() as work:
        if not build("play", [], f"{work}/play", work, build_folder):
            sys.exit("mutate: the tests do not build")
        reference = subprocess.run([f"{work}/play", "Tests/otp/scenarios.txt", "1"], capture_output=True).stdout
        affected = {path: includers(path) for path in {mutant[0] for mutant in chosen} if path.endswith(".h")}
        for mutant in chosen:
            by = try_mutant(mutant, work, build_folder, reference, affected.get(mutant[0], ()))
            if by == "stillborn":
                stillborn += 1
            elif by:
                killed += 1
            elif [mutant[0], mutant[2].strip(), mutant[3].strip()] in explained:
                known += 1
            else:
                survivors.append(mutant)
                print(f"FAIL not noticed: {mutant[0]}:{mutant[1] + 1} | {mutant[2].strip()} | {mutant[3].strip()}", flush=True)
    print(f"{len(chosen)} of {total} mutants: {killed} noticed, {known} change nothing, {stillborn} do not compile, {len(survivors)} not noticed")
    print(f"{killed + known} passed, {len(survivors)} failed")
    sys.exit(1 if survivors else 0)


main()
