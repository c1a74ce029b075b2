// Tests/C/faults/policy_test.c - what is not contained: each rule has a fault that only this rule keeps from being contained.
//
// Method: an OS process of its own has the fault. Its end is looked at, and what it wrote: the report comes first, then the signal does
// what it would have done without Apus. Were the rule not there, the process would end well.
#define _GNU_SOURCE 1 // dl_iterate_phdr, pthread_mutex_clocklock
#include "fault.h"

#include <dlfcn.h>
#include <link.h>

static char output[65536];

// Runs `body` in a process of its own. Returns its wait status; what it wrote to standard error is in `output`.
static int run_apart(void (*body)(void))
{
    int ends[2];
    size_t length = 0;
    ssize_t got;
    int status;
    CHECK_EQ(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        alarm(test_timeout_s());
        body();
        _exit(0);
    }
    close(ends[1]);
    while (length < sizeof output - 1 && (got = read(ends[0], output + length, sizeof output - 1 - length)) > 0)
        length += (size_t)got;
    output[length] = 0;
    close(ends[0]);
    CHECK_EQ(waitpid(child, &status, 0), child);
    return status;
}

static void expect_output(const char *part)
{
    if (!strstr(output, part)) {
        fprintf(stderr, "no \"%s\" in: %s\n", part, output);
        _exit(1);
    }
}

static void ends_program(void (*body)(void), int signal, const char *why)
{
    int status = run_apart(body);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != signal) {
        fprintf(stderr, "status %#x, not signal %d; output: %s\n", status, signal, output);
        _exit(1);
    }
    if (why) {
        expect_output("apus: ");
        expect_output("not contained: ");
        expect_output(why);
    }
}

static void is_contained(void (*body)(void))
{
    int status = run_apart(body);
    if (status != 0) {
        fprintf(stderr, "status %#x; output: %s\n", status, output);
        _exit(1);
    }
    expect_output("fault: ");
}

// --- The play: one process that does something, until it has ended ----------------------------------------------------------------

static void (*act)(void);
static apus_options options;

static int handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    act();
    return APUS_DONE;
}

static const apus_behaviour actor = {.name = "actor", .handle = handle};

static void play_once(void)
{
    apus_pid pid;
    apus_spawn_options named = {.struct_size = sizeof named, .name = "hero", .label = "of the play"};
    CHECK_EQ(apus_spawn(&actor, NULL, 0, &named, &pid), 0);
    CHECK_EQ(apus_send(pid, &type_number, NULL, 0), 0);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
}

static void play(void)
{
    options.struct_size = sizeof options;
    options.schedulers = 1;
    options.binding = APUS_BIND_NONE;
    CHECK_EQ(apus_start(&options), 0);
    play_once();
    CHECK_EQ(apus_stop(5000), 0);
}

static void actor_ends_program(void (*what)(void), int signal, const char *why)
{
    NEEDS_CONTAINMENT();
    act = what;
    ends_program(play, signal, why);
}

static void actor_is_contained(void (*what)(void))
{
    NEEDS_CONTAINMENT();
    act = what;
    is_contained(play);
}

TEST(plain, "none of the rules: it is contained, and reported on standard error")
{
    actor_is_contained(fault_null_pointer);
    NEEDS_CONTAINMENT();
    expect_output("apus: process <");
    expect_output("SIGSEGV");
}

// --- Rule 1: a carrier with a process -------------------------------------------------------------------------------------------

static void *fall_on_thread(void *argument)
{
    fault_null_pointer();
    return argument;
}

static void thread_play(void)
{
    pthread_t thread;
    start_runtime(1);
    pthread_create(&thread, NULL, fall_on_thread, NULL);
    pthread_join(thread, NULL);
    CHECK_EQ(apus_stop(0), 0);
}

TEST(rule1_thread, "rule 1: a fault on a thread that runs no process ends the program")
{
    NEEDS_CONTAINMENT();
    ends_program(thread_play, SIGSEGV, "runs no process");
}

static void spawned_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, fall_on_thread, NULL);
    pthread_join(thread, NULL);
}

TEST(rule1_spawned, "rule 1: also if a process has made the thread")
{
    actor_ends_program(spawned_thread, SIGSEGV, "runs no process");
}

static void faulty_drop(void *payload, size_t size, const apus_type *type)
{
    (void)payload, (void)size, (void)type;
    fault_null_pointer();
}

static const apus_type type_faulty = {.name = "faulty", .drop = faulty_drop};

static void send_faulty(void)
{
    CHECK_EQ(apus_send(apus_pid_of(apus_self()), &type_faulty, NULL, 0), 0);
}

TEST(rule1_inside, "rule 1: a fault of code that the runtime has called in the middle of something ends the program")
{
    actor_ends_program(send_faulty, SIGSEGV, "inside the runtime");
}

// --- Rule 2: synchronous --------------------------------------------------------------------------------------------------------

static void raise_segv(void)
{
    raise(SIGSEGV);
}

TEST(rule2_raise, "rule 2: a signal that was sent ends the program, also if a process has sent it to itself")
{
    actor_ends_program(raise_segv, SIGSEGV, "the signal was sent");
    NEEDS_CONTAINMENT();
    expect_output("fault: SIGSEGV at 0x0,"); // no address was touched
}

static void kill_abrt(void)
{
    kill(getpid(), SIGABRT);
    usleep(1000000);
}

TEST(rule2_kill, "rule 2: kill(2) with SIGABRT ends the program")
{
    actor_ends_program(kill_abrt, SIGABRT, NULL); // to whichever thread
    NEEDS_CONTAINMENT();
    expect_output("not contained: ");
}

static void free_twice(void)
{
    void *volatile memory = malloc(100), *volatile more = malloc(100);
    free(memory);
    free(more);
    void *volatile again = memory;
    for (int i = 0; i < 10; i++)
        free(again);
}

TEST(rule2_heap, "rule 2: an abort of the C library's own, for a heap that is corrupt, ends the program")
{
    actor_ends_program(free_twice, SIGABRT, "not contained");
}

// --- Rule 3: not inside the C library -------------------------------------------------------------------------------------------

static void free_wild(void)
{
    void *volatile wild = (void *)0x1230;
    free(wild);
}

TEST(rule3_free, "rule 3: a fault inside the C library ends the program")
{
    actor_ends_program(free_wild, SIGSEGV, "inside the C library");
}

static void print_wild(void)
{
    char text[64];
    const char *volatile wild = (const char *)0x1230;
    snprintf(text, sizeof text, "%s", wild);
    fault_zero = text[0];
}

TEST(rule3_print, "rule 3: also in a string function that the C library itself has called")
{
    actor_ends_program(print_wild, SIGSEGV, "inside the C library");
}

TEST(rule3_memset, "rule 3: but not in a string function that was called straight from other code")
{
    actor_is_contained(fault_memset);
    actor_is_contained(fault_strlen);
}

// --- Rule 4: what must not be left for good -------------------------------------------------------------------------------------

static void fall_in_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fault_null_pointer);
}

TEST(rule4_once, "rule 4: a fault in an initialiser that pthread_once runs ends the program")
{
    actor_ends_program(fall_in_once, SIGSEGV, "pthread_once");
}

static void after_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, (void (*)(void))sched_yield);
    fault_null_pointer();
}

TEST(rule4_after, "rule 4: not one after it")
{
    actor_is_contained(after_once);
}

static int fall_in_iterate(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)info, (void)size, (void)context;
    fault_null_pointer();
    return 0;
}

static void iterate(void)
{
    dl_iterate_phdr(fall_in_iterate, NULL);
}

TEST(rule4_loader, "rule 4: one below a function that holds the dynamic linker's lock does")
{
    actor_ends_program(iterate, SIGSEGV, "dl_iterate_phdr");
}

static int fall_in_compare(const void *a, const void *b)
{
    (void)a, (void)b;
    fault_illegal();
    return 0;
}

static void sort(void)
{
    int numbers[4] = {4, 3, 2, 1};
    qsort(numbers, 4, sizeof *numbers, fall_in_compare);
}

TEST(rule4_sort, "rule 4: one below a function of the C library that holds nothing is contained")
{
    actor_is_contained(sort);
}

int __cxa_guard_acquire(uint64_t *guard);
void __cxa_guard_release(uint64_t *guard);

static void fall_in_static(void)
{
    static uint64_t guard;
    CHECK_EQ(__cxa_guard_acquire(&guard), 1);
    fault_null_pointer();
}

TEST(rule4_guard, "rule 4: one while a static variable of C++ is initialised ends the program")
{
    actor_ends_program(fall_in_static, SIGSEGV, "static variable");
}

static void after_static(void)
{
    static uint64_t guard;
    CHECK_EQ(__cxa_guard_acquire(&guard), 1);
    __cxa_guard_release(&guard);
    CHECK_EQ(__cxa_guard_acquire(&guard), 0);
    fault_null_pointer();
}

TEST(rule4_guarded, "rule 4: and is contained after that")
{
    actor_is_contained(after_static);
}

// --- Rule 5: locks --------------------------------------------------------------------------------------------------------------

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void fall_with_lock(void)
{
    pthread_mutex_lock(&mutex);
    fault_null_pointer();
}

TEST(rule5_lock, "rule 5: a fault of a thread that holds a mutex ends the program")
{
    actor_ends_program(fall_with_lock, SIGSEGV, "holds a mutex");
}

static void fall_with_trylock(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    CHECK_EQ(pthread_mutex_timedlock(&mutex, &time), 0);
    pthread_mutex_unlock(&mutex);
    CHECK_EQ(pthread_mutex_clocklock(&mutex, CLOCK_REALTIME, &time), 0);
    pthread_mutex_unlock(&mutex);
    CHECK_EQ(pthread_mutex_trylock(&mutex), 0);
    CHECK_EQ(pthread_mutex_trylock(&mutex), EBUSY);
    fault_null_pointer();
}

TEST(rule5_trylock, "rule 5: however it was locked")
{
    actor_ends_program(fall_with_trylock, SIGSEGV, "holds a mutex");
}

static void fall_after_lock(void)
{
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    fault_null_pointer();
}

TEST(rule5_after, "rule 5: not if it has unlocked it")
{
    actor_is_contained(fall_after_lock);
}

TEST(rule5_lax, "rule 5: nor with faults_with_locks")
{
    options.faults_with_locks = true;
    actor_is_contained(fall_with_lock);
}

static void hold_over_wait(apus_process *self, void *argument)
{
    (void)argument;
    pthread_mutex_lock(&mutex);
    apus_receive(self, NULL, NULL, APUS_INFINITY);
    pthread_mutex_unlock(&mutex);
}

static void play_beside_holder(void)
{
    apus_pid holder;
    options.struct_size = sizeof options;
    options.schedulers = 1;
    CHECK_EQ(apus_start(&options), 0);
    CHECK_EQ(apus_spawn_blocking(hold_over_wait, NULL, 0, NULL, &holder), 0);
    play_once(); // on the same thread, since there is but one scheduler
    CHECK_EQ(apus_send(holder, &type_number, NULL, 0), 0);
    CHECK_EQ(apus_join(holder, APUS_INFINITY, NULL), 0);
    play_once();
    CHECK_EQ(apus_stop(5000), 0);
}

TEST(rule5_waits, "rule 5: a mutex that another process holds while it waits is not the faulty one's")
{
    NEEDS_CONTAINMENT();
    act = fault_null_pointer;
    is_contained(play_beside_holder);
}

static void hold_and_wait_then_fall(void)
{
    pthread_mutex_lock(&mutex);
    apus_sleep(apus_self(), 1);
    fault_null_pointer();
}

TEST(rule5_own, "rule 5: one that it holds since before its wait is")
{
    actor_ends_program(hold_and_wait_then_fall, SIGSEGV, "holds a mutex");
}

// --- Rule 6: the budget ---------------------------------------------------------------------------------------------------------

static void play_thrice(void)
{
    options.struct_size = sizeof options;
    options.schedulers = 1;
    CHECK_EQ(apus_start(&options), 0);
    for (int i = 0; i < 3; i++)
        play_once();
    CHECK_EQ(apus_stop(5000), 0);
}

TEST(rule6_minute, "rule 6: one fault more than the budget for a minute ends the program")
{
    NEEDS_CONTAINMENT();
    act = fault_null_pointer;
    options.faults_per_minute = 3;
    is_contained(play_thrice);
    options.faults_per_minute = 2;
    ends_program(play_thrice, SIGSEGV, "in a minute");
}

TEST(rule6_all, "rule 6: so does one more than the budget in all")
{
    NEEDS_CONTAINMENT();
    act = fault_null_pointer;
    options.faults_in_all = 3;
    is_contained(play_thrice);
    options.faults_in_all = 2;
    ends_program(play_thrice, SIGSEGV, "in all");
}

TEST(rule6_none, "rule 6: with APUS_FAULTS_NONE, the first one")
{
    options.faults_per_minute = APUS_FAULTS_NONE;
    actor_ends_program(fault_null_pointer, SIGSEGV, "budget for faults is 0");
    options.faults_per_minute = 0;
    options.faults_in_all = APUS_FAULTS_NONE;
    actor_ends_program(fault_null_pointer, SIGSEGV, "budget for faults is 0");
}

// --- Modes, and the handlers of others ------------------------------------------------------------------------------------------

TEST(mode_report, "with APUS_FAULTS_REPORT a fault ends the program after the report")
{
    options.faults = APUS_FAULTS_REPORT;
    actor_ends_program(fault_null_pointer, SIGSEGV, "only reported");
    actor_ends_program(fault_abort, SIGABRT, "only reported");
}

TEST(mode_ignore, "with APUS_FAULTS_IGNORE Apus has no part in it")
{
    NEEDS_CONTAINMENT();
    options.faults = APUS_FAULTS_IGNORE;
    act = fault_null_pointer;
    ends_program(play, SIGSEGV, NULL);
    CHECK(strstr(output, "apus: ") == NULL);
    act = fault_abort;
    ends_program(play, SIGABRT, NULL);
}

static volatile sig_atomic_t handled_at;

static void own_handler(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    _exit(info->si_code > 0 && info->si_addr == NULL ? 42 : 43);
}

static void play_with_handler(void)
{
    struct sigaction action = {.sa_sigaction = own_handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    play();
    struct sigaction now;
    sigaction(SIGSEGV, NULL, &now);
    CHECK(now.sa_sigaction == own_handler); // put back by the stop
}

TEST(handler_before, "a handler that was there before sees a fault that is not contained as if it were the only one")
{
    NEEDS_CONTAINMENT();
    act = fall_with_lock;
    int status = run_apart(play_with_handler);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 42);
    expect_output("holds a mutex");
    act = fault_null_pointer;
    is_contained(play_with_handler);
}

static void fall_without_stack(void)
{
#if defined(__x86_64__)
    __asm__ volatile("movq $0x1230, %%rsp\n pushq %%rax" ::: "memory");
#else
    raise(SIGKILL);
#endif
}

TEST(nested, "a fault in the handler of a fault, which has no stack to look at, ends the program")
{
    NEEDS_CONTAINMENT();
    act = fall_without_stack;
    int status = run_apart(play);
    CHECK(WIFSIGNALED(status));
}

// --- The report of a fault that ends the program --------------------------------------------------------------------------------

static void expect_hero(const char *more)
{
    NEEDS_CONTAINMENT();
    expect_output("apus: process <");
    expect_output("> (actor, named hero, of the play) fault: SIGSEGV at 0x0");
    expect_output(more);
}

TEST(report_own, "its report says whose code had the fault, what it was handling, and what is around it")
{
    actor_ends_program(fall_with_lock, SIGSEGV, "holds a mutex");
    expect_hero("  in handle of a message of type \"number\", on scheduler 0; parent <0.0>; 0 messages waiting; 0 links\n");
}

static void receive_faulty(void)
{
    send_faulty();
    apus_message_release(apus_receive(apus_self(), NULL, NULL, APUS_INFINITY));
}

TEST(report_inside, "of one inside the runtime it says which process was running, but not what may be changing there")
{
    actor_ends_program(receive_faulty, SIGSEGV, "inside the runtime");
    expect_hero("  in handle, on scheduler 0; parent <0.0>\n");
}

static atomic_bool has_lost;

static void run_beside(apus_process *self, void *argument)
{
    (void)self, (void)argument;
    atomic_store(&has_lost, true);
}

static void fall_beside(void)
{
    CHECK_EQ(apus_spawn_blocking(run_beside, NULL, 0, NULL, NULL), 0);
    while (!atomic_load(&has_lost))
        usleep(500);
    fall_with_lock();
}

TEST(report_detached, "of one that has lost its scheduler, for which another thread acts, it says who it was only")
{
    actor_ends_program(fall_beside, SIGSEGV, "holds a mutex");
    expect_hero("  in handle, on scheduler 0; parent <0.0>\n");
}

static void fall_in_fork(void)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        fault_assert(); // says something first, which the child remembers for nobody
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

TEST(report_fork, "in a child that a callback makes by fork nothing is contained: no thread is there to go on; nobody makes names of addresses")
{
    NEEDS_CONTAINMENT();
    act = fall_in_fork;
    CHECK_EQ(run_apart(play), 0);
    expect_output("apus: fault: SIGABRT at 0x0, pc 0x");
    expect_output("not contained: it happened on a thread that runs no process");
}

// --- Counting locks does not change them ----------------------------------------------------------------------------------------

static int shared_count;

static void *count_up(void *argument)
{
    for (int i = 0; i < 100000; i++) {
        pthread_mutex_lock(&mutex);
        shared_count++;
        pthread_mutex_unlock(&mutex);
    }
    return argument;
}

TEST(mutexes, "mutexes work as ever: they exclude, and give their errors")
{
    pthread_t threads[4];
    pthread_mutexattr_t attributes;
    pthread_mutex_t checked;
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(shared_count, 400000);
    if (!FAULTS_ARE_CONTAINED)
        return; // a sanitizer takes the errors below for defects
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    CHECK_EQ(pthread_mutex_init(&checked, &attributes), 0);
    CHECK_EQ(pthread_mutex_unlock(&checked), EPERM);
    CHECK_EQ(pthread_mutex_lock(&checked), 0);
    CHECK_EQ(pthread_mutex_lock(&checked), EDEADLK);
    CHECK_EQ(pthread_mutex_unlock(&checked), 0);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
