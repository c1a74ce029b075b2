// Tests/C/simulation/seeds_test.c - random casts of processes on simulated slots, 10,000 seeds, each promise checked.
//
// Goal:    no interleaving of the signals of some dozens of processes on one to four slots breaks a promise of the model.
// Method:  a seed chooses the order of turns (scheduler/simulate.h) and what each process does (actors.h). The run goes on until
//          all is quiet, when what happened is held against the record (model.h); every fourth run is stopped in the middle
//          instead. At the end nothing may be left. Every eighth seed runs twice, and both runs must be the same, event by event.
// Limits:  a run that does not come to rest has too many steps, under its seed everywhere; one that does not return from a step is found
//          when the time of the whole test is up, and named then.
// Replay:  a failure prints the command that runs its seed alone; TRACE=1 shows what happens in it.
#include "actors.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#ifdef __SANITIZE_THREAD__
enum { SEEDS = 250 }; // it is slow, and there is but one thread for it to look at
#else
enum { SEEDS = 2500 }; // for each number of slots
#endif

enum {
    STEPS_MAX = 200000,
    ENERGY_MAX = 800, // actions of all actors
    ROUNDS_MAX = 200  // actions of the driver
};

static const char *program;
static char machine_root[2][64]; // copies of /sys, as it were: one node, two nodes

// --- The machine -----------------------------------------------------------------------------------------------------------------

static void write_file(const char *root, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

// The same machine everywhere, so that a seed gives the same run everywhere.
static void make_machines(char *directory)
{
    CHECK(mkdtemp(directory) != NULL);
    for (int nodes = 1; nodes <= 2; nodes++) {
        char *root = machine_root[nodes - 1];
        snprintf(root, sizeof machine_root[0], "%s/%d", directory, nodes);
        write_file(root, "devices/system/cpu/online", "0-1\n");
    }
    write_file(machine_root[1], "devices/system/node/node0/cpulist", "0\n");
    write_file(machine_root[1], "devices/system/node/node0/distance", "10 20\n");
    write_file(machine_root[1], "devices/system/node/node1/cpulist", "1\n");
    write_file(machine_root[1], "devices/system/node/node1/distance", "20 10\n");
}

static void remove_machines(const char *directory)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    CHECK_EQ(system(command), 0);
}

// --- One seed --------------------------------------------------------------------------------------------------------------------

static void model_reset(uint64_t seed)
{
    static const int circles[] = {3, 6, 12, ACTORS_MAX}, lives[] = {6, 20, 60, 200};
    model.seed = seed;
    model.trace = 0;
    model.note_count = model.request_count = model.monitor_count = model.timer_count = model.exit_count = 0;
    model.actor_count = 1;
    actor_reset(&model.actors[DRIVER], DRIVER);
    for (int i = 0; i < NAMES; i++)
        model.names[i] = NONE;
    model.circle = circles[draw(DRIVER, 4)];
    model.life = lives[draw(DRIVER, 4)];
    model.energy = 20 + (int)draw(DRIVER, ENERGY_MAX);
}

// The driver acts all the time, so that much is under way at once. Its children are spread over the slots; those of the actors are
// mostly beside their parent.
static void play(bool is_cut_short)
{
    uint32_t actors = 2 + draw(DRIVER, 20), pace = 2 + draw(DRIVER, 12);
    while (model.actor_count <= (int)actors)
        do_spawn(DRIVER);
    for (uint32_t rounds = 20 + draw(DRIVER, ROUNDS_MAX); rounds > 0; rounds--) {
        apus__simulation_run(draw(DRIVER, pace));
        if (draw(DRIVER, 4) == 0)
            do_spawn(DRIVER);
        else
            act_anywhere(DRIVER, draw(DRIVER, 64));
    }
    if (is_cut_short)
        return;
    model.energy = 0;
    CHECK(apus__simulation_run(STEPS_MAX));
    check_quiet();
}

// Returns the hash of all that happened.
static uint64_t run_seed(unsigned slots, uint64_t seed)
{
    model_reset(seed);
    apus_options options = {.struct_size = sizeof options,
                            .schedulers = slots,
                            .max_processes = 1024,
                            .max_timers = 1024,
                            .stack_size = 64 << 10,
                            .sysfs_root = machine_root[draw(DRIVER, 2)]};
    CHECK_EQ(apus__simulation_begin(&options, seed), 0);
    play(seed % 4 == 3);
    CHECK_EQ(apus__simulation_end(), 0);
    check_over();
    return model.trace;
}

// --- Many seeds ------------------------------------------------------------------------------------------------------------------

static pid_t player;

static void end_player(int number)
{
    (void)number;
    kill(player, SIGKILL);
}

// In a process of its own, so that the one that waits can tell which seed it was, however it failed.
static void run_seeds(unsigned slots, uint64_t first, uint64_t count, volatile uint64_t *now)
{
    for (*now = first; *now < first + count; ++*now) {
        uint64_t seen = run_seed(slots, *now);
        if (*now % 8 == 0)
            CHECK_EQ(run_seed(slots, *now), seen);
    }
    exit(0);
}

static void check_seeds(unsigned slots, const char *name)
{
    char directory[] = "/tmp/apus-seeds-XXXXXX";
    const char *chosen = getenv("SEED");
    int status;
    volatile uint64_t *now = mmap(NULL, sizeof *now, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(now != MAP_FAILED);
    make_machines(directory);
    trace_is_shown = chosen && getenv("TRACE");
    player = fork();
    if (player == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run_seeds(slots, chosen ? strtoull(chosen, NULL, 10) : 0, chosen ? 1 : (uint64_t)test_scaled(SEEDS), now);
    }
    signal(SIGALRM, end_player); // the test's time is up
    while (waitpid(player, &status, 0) < 0)
        CHECK_EQ(errno, EINTR);
    remove_machines(directory);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "replay: SEED=%" PRIu64 " %s %s\n", *now, program, name);
        exit(1);
    }
}

TEST(one_slot, "one slot: every promise holds under every seed")
{
    check_seeds(1, "one_slot");
}

TEST(two_slots, "two slots: every promise holds under every seed")
{
    check_seeds(2, "two_slots");
}

TEST(three_slots, "three slots: every promise holds under every seed")
{
    check_seeds(3, "three_slots");
}

TEST(four_slots, "four slots: every promise holds under every seed")
{
    check_seeds(4, "four_slots");
}

int main(int argc, char **argv)
{
    program = argv[0];
    return test_main(argc, argv);
}
