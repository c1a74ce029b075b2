// Goal:   the name table keeps each name once, gives it to one however many try, and frees nothing that a
//         reader can still see; RCU's deferred free does what it says and leaves no thread.
// Method: single-threaded cases for each answer; threads that race on few names with counts checked at the end, meant for
//         ThreadSanitizer and AddressSanitizer; a reader held inside a section while another thread defers.
#include "base/atomic.h"
#include "base/types.h"
#include "rcu/names.h"
#include "rcu/rcu.h"

#include "test.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>

static struct apus__name *insert(struct apus__names *names, const char *name, uint64_t value)
{
    struct apus__name *made = NULL;
    int result = apus__names_insert(names, name, strlen(name), value, &made);
    CHECK_EQ(result, made ? 0 : -EEXIST);
    return made;
}

static uint64_t find(struct apus__names *names, const char *name)
{
    uint64_t value = 0;
    return apus__names_find(names, name, strlen(name), &value) ? value : 0;
}

static struct apus__names *names_start(void)
{
    struct apus__names *names = NULL;
    apus__rcu_register();
    CHECK_EQ(apus__names_init(&names), 0);
    return names;
}

static void names_end(struct apus__names *names)
{
    apus__names_destroy(names);
    apus__rcu_unregister();
}

static int threads_now(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    for (struct dirent *entry; (entry = readdir(tasks));)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

// Checks that no helper thread is there. A thread that was joined may still be listed for a moment, so this asks for a while.
// ThreadSanitizer adds threads of its own, whose number is its own affair.
static void check_alone(void)
{
#ifdef __SANITIZE_THREAD__
    CHECK(threads_now() >= 1);
#else
    if (test_is_emulated())
        return;
    for (int i = 0; i < 1000 && threads_now() > 1; i++)
        usleep(1000);
    CHECK_EQ(threads_now(), 1);
#endif
}

TEST(answers, "a name is inserted once, found, and free again when its entry is removed")
{
    struct apus__names *names = names_start();
    CHECK_EQ(find(names, "ada"), 0);
    struct apus__name *ada = insert(names, "ada", 1);
    CHECK(ada != NULL);
    CHECK_EQ(apus__name_value(ada), 1);
    CHECK_EQ(strcmp(apus__name_text(ada), "ada"), 0);
    CHECK(insert(names, "ada", 2) == NULL);
    CHECK(insert(names, "adam", 3) != NULL);
    CHECK_EQ(find(names, "ada"), 1);
    CHECK_EQ(find(names, "adam"), 3);
    CHECK(apus__names_remove(names, ada));
    apus__name_free(ada);
    CHECK_EQ(find(names, "ada"), 0);
    CHECK_EQ(find(names, "adam"), 3);
    CHECK(insert(names, "ada", 4) != NULL);
    CHECK_EQ(find(names, "ada"), 4);
    names_end(names);
}

TEST(bytes, "a name is its bytes and its length: zeros count, the end does not matter, no byte is like another")
{
    struct apus__names *names = names_start();
    struct apus__name *made;
    uint64_t value = 0;
    CHECK_EQ(apus__names_insert(names, "a\0b", 3, 1, &made), 0);
    CHECK_EQ(apus__names_insert(names, "a\0c", 3, 2, &made), 0);
    CHECK_EQ(apus__names_insert(names, "axyz", 1, 3, &made), 0);
    CHECK(apus__names_find(names, "a\0c", 3, &value));
    CHECK_EQ(value, 2);
    CHECK_EQ(find(names, "a"), 3);
    CHECK_EQ(find(names, "axyz"), 0);
    names_end(names);
}

TEST(growth, "a table of many names finds each of them, and is empty again")
{
    struct apus__names *names = names_start();
    const long count = test_scaled(100000);
    char name[32];
    struct apus__name **made = malloc((size_t)count * sizeof *made);
    CHECK(made != NULL);
    for (long i = 0; i < count; i++) {
        snprintf(name, sizeof name, "process-%ld", i);
        CHECK((made[i] = insert(names, name, (uint64_t)i + 1)) != NULL);
    }
    for (long i = 0; i < count; i++) {
        snprintf(name, sizeof name, "process-%ld", i);
        CHECK_EQ(find(names, name), i + 1);
        if (i % 2) {
            CHECK(apus__names_remove(names, made[i]));
            CHECK(apus__name_is_gone(made[i]) && !apus__names_remove(names, made[i]));
            apus__name_free(made[i]);
        }
    }
    free(made);
    check_alone();
    names_end(names); // with half of them still in it
    check_alone();
}

TEST(nested, "every operation works inside a read section, in any number")
{
    struct apus__names *names = names_start();
    char name[32];
    apus__rcu_read_lock();
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "n%d", i);
        struct apus__name *made = insert(names, name, 7);
        CHECK_EQ(find(names, name), 7);
        CHECK(apus__names_remove(names, made));
        apus__name_free(made);
    }
    apus__rcu_read_unlock();
    names_end(names);
}

// Threads race for few names. Each success is counted; a found value must belong to the name.
#define RACE_NAMES 8
static struct apus__names *race_names;
static _Atomic long race_held[RACE_NAMES]; // successful inserts minus successful removes, never other than 0 or 1
static _Atomic long race_inserted;

static void *race_run(void *argument)
{
    uint64_t me = (uint64_t)(uintptr_t)argument;
    unsigned step = (unsigned)me * 2654435761u;
    const long rounds = test_scaled(100000);
    apus__rcu_register();
    for (long i = 0; i < rounds; i++) {
        step = step * 1664525u + 1013904223u;
        unsigned which = (step >> 16) % RACE_NAMES;
        char name[16];
        snprintf(name, sizeof name, "name%u", which);
        uint64_t value = 0;
        struct apus__name *made = insert(race_names, name, which << 8 | me);
        if (made) {
            CHECK_EQ(apus_add_relaxed(&race_held[which], 1), 0);
            apus_add_relaxed(&race_inserted, 1);
            CHECK_EQ(find(race_names, name), which << 8 | me);
            apus_sub_relaxed(&race_held[which], 1);
            CHECK(apus__names_remove(race_names, made));
            apus__name_free(made);
        } else if ((value = find(race_names, name)) != 0) {
            CHECK_EQ(value >> 8, which);
            CHECK((value & 0xff) >= 1 && (value & 0xff) <= 4);
        }
    }
    apus__rcu_unregister();
    return NULL;
}

TEST(race, "of several threads that want a name one has it at a time, and readers see whole entries")
{
    race_names = names_start();
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, race_run, (void *)(i + 1)), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK(apus_load_relaxed(&race_inserted) > 0);
    for (int i = 0; i < RACE_NAMES; i++) {
        char name[16];
        snprintf(name, sizeof name, "name%d", i);
        CHECK_EQ(find(race_names, name), 0);
    }
    names_end(race_names);
}

// Deferred objects.
struct object {
    struct apus__rcu_head rcu;
    int stamp;
};
static _Atomic long freed;

static void object_free(struct apus__rcu_head *rcu)
{
    struct object *object = apus_container_of(rcu, struct object, rcu);
    object->stamp = -1;
    free(object);
    apus_add_relaxed(&freed, 1);
}

static struct object *object_new(void)
{
    struct object *object = malloc(sizeof *object);
    CHECK(object != NULL);
    object->stamp = 42;
    return object;
}

TEST(barrier, "a barrier frees all that was deferred, by threads that have ended too")
{
    apus__rcu_register();
    for (int i = 0; i < 10; i++)
        apus__rcu_defer(&object_new()->rcu, object_free);
    CHECK_EQ(apus_load_relaxed(&freed), 0);
    apus__rcu_barrier();
    CHECK_EQ(apus_load_relaxed(&freed), 10);
    apus__rcu_barrier();
    CHECK_EQ(apus_load_relaxed(&freed), 10);
    apus__rcu_unregister();
}

TEST(batch, "objects are freed in batches without a barrier, and never inside the section that deferred them")
{
    apus__rcu_register();
    apus__rcu_read_lock();
    for (int i = 0; i < 1000; i++)
        apus__rcu_defer(&object_new()->rcu, object_free);
    CHECK_EQ(apus_load_relaxed(&freed), 0);
    apus__rcu_read_unlock();
    apus__rcu_defer(&object_new()->rcu, object_free);
    CHECK_EQ(apus_load_relaxed(&freed), 1001);
    apus__rcu_unregister();
}

static _Atomic(struct object *) shared;
static _Atomic int reader_step;

static void *reader_run(void *argument)
{
    (void)argument;
    apus__rcu_register();
    apus__rcu_read_lock();
    // acquire: the object. Pairs with the store of `shared` in the test.
    struct object *object = apus_load_acquire(&shared);
    apus_store_release(&reader_step, 1);
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(object->stamp, 42);
        CHECK_EQ(apus_load_relaxed(&freed), 0);
        sched_yield();
    }
    apus__rcu_read_unlock();
    apus__rcu_unregister();
    return NULL;
}

TEST(reader, "what a reader holds is not freed until its section has ended")
{
    apus__rcu_register();
    pthread_t reader;
    apus_store_release(&shared, object_new());
    CHECK_EQ(pthread_create(&reader, NULL, reader_run, NULL), 0);
    while (apus_load_acquire(&reader_step) == 0)
        sched_yield();
    struct object *object = apus_load_relaxed(&shared);
    apus_store_relaxed(&shared, NULL);
    apus__rcu_defer(&object->rcu, object_free);
    apus__rcu_barrier();
    CHECK_EQ(apus_load_relaxed(&freed), 1);
    CHECK_EQ(pthread_join(reader, NULL), 0);
    apus__rcu_unregister();
}

// Stays in a section until it is told to leave it.
static void *holder_run(void *argument)
{
    (void)argument;
    apus__rcu_register();
    apus__rcu_read_lock();
    apus_store_release(&reader_step, 1);
    while (apus_load_acquire(&reader_step) == 1)
        sched_yield();
    apus__rcu_read_unlock();
    apus__rcu_unregister();
    return NULL;
}

// Readers follow a pointer that writers replace all the time.
static _Atomic bool torture_over;

static void *torture_reader(void *argument)
{
    (void)argument;
    apus__rcu_register();
    while (!apus_load_relaxed(&torture_over)) {
        apus__rcu_read_lock();
        // acquire: the object. Pairs with the exchange in torture_writer().
        struct object *object = apus_load_acquire(&shared);
        CHECK_EQ(object->stamp, 42);
        apus__rcu_read_unlock();
    }
    apus__rcu_unregister();
    return NULL;
}

static void *torture_writer(void *argument)
{
    const long rounds = *(const long *)argument;
    apus__rcu_register();
    for (long i = 0; i < rounds; i++)
        apus__rcu_defer(&apus_exchange_acq_rel(&shared, object_new())->rcu, object_free);
    apus__rcu_unregister();
    return NULL;
}

static void torture(void)
{
    long rounds = test_scaled(100000);
    pthread_t readers[2], writers[2];
    apus__rcu_register();
    apus_store_release(&shared, object_new());
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&readers[i], NULL, torture_reader, NULL), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&writers[i], NULL, torture_writer, &rounds), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_join(writers[i], NULL), 0);
    apus_store_relaxed(&torture_over, true);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_join(readers[i], NULL), 0);
    apus__rcu_barrier();
    CHECK_EQ(apus_load_relaxed(&freed), 2 * rounds);
    free(apus_load_relaxed(&shared));
    apus__rcu_unregister();
}

TEST(torture, "readers never see a freed object while writers replace it, and all are freed at the end")
{
    torture();
    check_alone();
}

TEST(reclaimer_torture, "the same with a reclaimer")
{
    CHECK_EQ(apus__reclaimer_start(), 0);
    torture();
    apus__reclaimer_stop();
    check_alone();
}

TEST(reclaimer, "with a reclaimer nobody who defers waits for a reader, and what it held up is freed when its section has ended")
{
    pthread_t reader;
    apus__rcu_register();
    CHECK_EQ(apus__reclaimer_start(), 0);
    CHECK_EQ(pthread_create(&reader, NULL, holder_run, NULL), 0);
    while (apus_load_acquire(&reader_step) == 0)
        sched_yield();
    for (int i = 0; i < 1000; i++)
        apus__rcu_defer(&object_new()->rcu, object_free);
    CHECK_EQ(apus_load_relaxed(&freed), 0);
    apus_store_release(&reader_step, 2);
    long more = 0;
    for (; apus_load_relaxed(&freed) < 1000; more++) {
        apus__rcu_defer(&object_new()->rcu, object_free);
        usleep(1);
    }
    CHECK_EQ(pthread_join(reader, NULL), 0);
    apus__reclaimer_stop();
    apus__rcu_barrier();
    CHECK_EQ(apus_load_relaxed(&freed), 1000 + more);
    check_alone();
    apus__rcu_unregister();
}

TEST(reclaimer_stops, "a reclaimer leaves to a barrier what it has not freed, and another one can be started")
{
    apus__rcu_register();
    for (int round = 1; round <= 100; round++) {
        CHECK_EQ(apus__reclaimer_start(), 0);
        for (int i = 0; i < 1000; i++)
            apus__rcu_defer(&object_new()->rcu, object_free);
        apus__reclaimer_stop();
        apus__rcu_barrier();
        CHECK_EQ(apus_load_relaxed(&freed), 1000 * round);
    }
    apus__rcu_unregister();
}

static double clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

TEST(speed, "a section, a deferred free and a look-up are measured")
{
    struct apus__names *names = names_start();
    const long rounds = test_scaled(1000000);
    CHECK(insert(names, "a name of usual size", 1) != NULL);
    double begin = clock_ns();
    for (long i = 0; i < rounds; i++) {
        apus__rcu_read_lock();
        apus__rcu_read_unlock();
    }
    fprintf(stderr, "rcu_section_ns %.1f\n", (clock_ns() - begin) / (double)rounds);
    begin = clock_ns();
    for (long i = 0; i < rounds; i++)
        apus__rcu_defer(&object_new()->rcu, object_free);
    fprintf(stderr, "rcu_defer_ns %.1f (with malloc and free)\n", (clock_ns() - begin) / (double)rounds);
    begin = clock_ns();
    for (long i = 0; i < rounds; i++)
        CHECK_EQ(find(names, "a name of usual size"), 1);
    fprintf(stderr, "names_find_ns %.1f\n", (clock_ns() - begin) / (double)rounds);
    names_end(names);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
