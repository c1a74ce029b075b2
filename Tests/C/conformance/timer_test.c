// R15: timers are never early, find names when they expire, go with their receiver, and are cancelled once.
#include "../scene.h"

#include <pthread.h>
#include <stdatomic.h>

static uint64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct appointment {
    uint64_t set_ns;
    uint64_t set_ms;
    uint64_t delay_ms;
};

static const apus_type type_appointment = {.name = "appointment"};

static void never_early(apus_process *self, const scene_t *scene)
{
    enum { TIMERS = 200 };
    for (int i = 0; i < TIMERS; i++) {
        struct appointment set = {nanoseconds(), apus_now_ms(), (uint64_t)(i * 7 + scene->turn) % 60};
        CHECK_EQ(apus_send_after(set.delay_ms, apus_pid_of(self), &type_appointment, &set, sizeof set, NULL), 0);
    }
    for (int i = 0; i < TIMERS; i++) {
        apus_message *message = expect(self, &type_appointment);
        const struct appointment *kept = apus_message_payload(message);
        CHECK(nanoseconds() - kept->set_ns >= kept->delay_ms * 1000000u);
        CHECK(apus_now_ms() - kept->set_ms >= kept->delay_ms);
        apus_message_release(message);
    }
    expect_silence(self);
}

TEST(R15_never_early, "R15: a timer never fires early, and fires once")
{
    play(never_early, 32);
}

static void waits_are_never_short(apus_process *self, const scene_t *scene)
{
    for (uint64_t i = 0; i < 20; i++) {
        uint64_t start = nanoseconds();
        CHECK_EQ(apus_sleep(self, i), 0);
        CHECK(nanoseconds() - start >= i * 1000000u);
        start = nanoseconds();
        CHECK(apus_receive(self, NULL, NULL, i) == NULL);
        CHECK(nanoseconds() - start >= i * 1000000u);
    }
    (void)scene;
}

TEST(R15_waits, "R15: a sleep and a receive's time-out are never short")
{
    play(waits_are_never_short, 16);
}

static void timer_message(apus_process *self, const scene_t *scene)
{
    static const size_t sizes[] = {0, 0, 1, 16, 17, 64, 1000, 100000};
    char *payload = malloc(100000);
    (void)scene;
    CHECK(payload != NULL);
    memset(payload, 0x5a, 100000);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const apus_type *type = i % 2 ? &type_number : NULL;
        apus_ref ref;
        CHECK_EQ(apus_send_after(i, apus_pid_of(self), type, payload, sizes[i], &ref), 0);
        CHECK(ref.id != 0);
        apus_message *message = apus_receive(self, NULL, NULL, PATIENCE_MS);
        CHECK(message != NULL);
        CHECK(apus_message_type(message) == (type ? type : &apus_type_timeout));
        CHECK(apus_ref_equal(apus_message_ref(message), ref));
        CHECK(apus_pid_equal(apus_message_from(message), APUS_NOBODY));
        CHECK_EQ(apus_message_size(message), sizes[i]);
        CHECK(sizes[i] == 0 || memcmp(apus_message_payload(message), payload, sizes[i]) == 0);
        CHECK(!apus_message_is_request(message));
        apus_message_release(message);
        CHECK_EQ(apus_cancel(ref, NULL), -ENOENT);
    }
    free(payload);
}

TEST(R15_message, "R15: a timer's message has its type, payload and reference, and comes from nobody")
{
    play(timer_message, 32);
}

// Moves the name while the timer runs. If the machine was so slow that the timer may have expired before, tries again.
static void name_is_found_at_expiry(apus_process *self, const scene_t *scene)
{
    char name[32];
    uint64_t delay_ms = 100, start;
    snprintf(name, sizeof name, "heir %d", scene->turn);
    do {
        apus_pid first = spawn_puppet(scene, 0, NULL);
        delay_ms *= 2;
        start = apus_now_ms();
        CHECK_EQ(apus_register(name, first), 0);
        CHECK_EQ(apus_send_name_after(delay_ms, name, &type_number, &(int64_t){9}, sizeof(int64_t), NULL), 0);
        end_and_wait(self, first);
        CHECK_EQ(apus_register(name, apus_pid_of(self)), 0);
        if (apus_now_ms() - start < delay_ms)
            break;
        CHECK_EQ(apus_unregister(name), 0);
    } while (true);
    expect_number(self, 9);
    CHECK_EQ(apus_unregister(name), 0);
}

TEST(R15_name, "R15: a timer to a name reaches whoever has the name when it expires")
{
    play(name_is_found_at_expiry, 32);
}

static void nobody_has_the_name(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    (void)scene;
    CHECK_EQ(apus_send_name_after(0, "no such name", &type_number, &(int64_t){9}, sizeof(int64_t), &ref), 0);
    for (int i = 0; apus_cancel(ref, NULL) == 0 && i < 100; i++)
        CHECK_EQ(apus_send_name_after(0, "no such name", &type_number, &(int64_t){9}, sizeof(int64_t), &ref), 0);
    expect_silence(self);
}

TEST(R15_no_name, "R15: a timer to a name that nobody has is dropped")
{
    play(nobody_has_the_name, 32);
}

static void timer_goes_with_receiver(apus_process *self, const scene_t *scene)
{
    apus_ref refs[20];
    apus_pid pid = spawn_puppet(scene, 0, NULL);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(apus_send_after(3600000, pid, NULL, "payload over sixteen bytes", i % 2 ? 26 : 4, &refs[i]), 0);
    end_and_wait(self, pid);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(apus_cancel(refs[i], NULL), -ENOENT);
}

TEST(R15_dead_receiver, "R15: the timers of a pid that has died are cancelled")
{
    play(timer_goes_with_receiver, 100);
}

static int do_set_timer(apus_process *self, const struct order *order)
{
    (void)self;
    CHECK_EQ(apus_send_after(5, order->pid, &type_number, &order->number, sizeof order->number, NULL), 0);
    return APUS_OK;
}

static void timer_of_dead_setter(apus_process *self, const scene_t *scene)
{
    apus_pid pid = spawn_puppet(scene, 0, NULL);
    ask(pid, (struct order){.run = do_set_timer, .pid = apus_pid_of(self), .number = 4});
    end_and_wait(self, pid);
    expect_number(self, 4);
}

TEST(R15_dead_setter, "R15: the death of the process that set a timer does not touch it")
{
    play(timer_of_dead_setter, 64);
}

static void cancel_once(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    uint64_t left_ms = 0, before = apus_now_ms();
    (void)scene;
    CHECK_EQ(apus_send_after(3600000, apus_pid_of(self), NULL, NULL, 0, &ref), 0);
    CHECK_EQ(apus_cancel(ref, &left_ms), 0);
    CHECK(left_ms <= 3600000);
    CHECK(left_ms + (apus_now_ms() - before) + 1 >= 3600000);
    CHECK_EQ(apus_cancel(ref, &left_ms), -ENOENT);
    CHECK_EQ(apus_cancel(ref, NULL), -ENOENT);
    CHECK_EQ(apus_cancel(APUS_NO_REF, NULL), -ENOENT);
    expect_silence(self);
}

TEST(R15_cancel, "R15: cancel returns the time left once, and then that the timer is not active")
{
    play(cancel_once, 200);
}

static int do_cancel(apus_process *self, const struct order *order)
{
    int result = apus_cancel((apus_ref){(uint64_t)order->number}, NULL);
    (void)self;
    CHECK(result == 0 || result == -ENOENT);
    send_number(order->pid, result);
    return APUS_OK;
}

static void cancel_races_expiry(apus_process *self, const scene_t *scene)
{
    apus_pid pid = spawn_puppet(scene, 0, NULL);
    for (int i = 0; i < 20; i++) {
        apus_ref ref;
        int cancelled = 0, expired = 0;
        CHECK_EQ(apus_send_after(1, apus_pid_of(self), NULL, NULL, 0, &ref), 0);
        if (i % 4)
            apus_receive(self, sought_matches, &(struct sought){&type_order, APUS_NO_REF, APUS_NOBODY}, 1);
        tell(pid, (struct order){.run = do_cancel, .pid = apus_pid_of(self), .number = (int64_t)ref.id});
        cancelled += apus_cancel(ref, NULL) == 0;
        apus_message *message = expect(self, &type_number);
        cancelled += number_of(message) == 0;
        apus_message_release(message);
        struct sought expiry = {&apus_type_timeout, ref, APUS_NOBODY};
        message = apus_receive(self, sought_matches, &expiry, cancelled ? 0 : PATIENCE_MS);
        expired += message != NULL;
        apus_message_release(message);
        CHECK_EQ(cancelled + expired, 1);
    }
    expect_silence(self);
    dismiss(pid);
}

TEST(R15_cancel_race, "R15: of expiry and two cancels at the same moment exactly one wins")
{
    play(cancel_races_expiry, 64);
}

static void rearmed_is_never_early(apus_process *self, const scene_t *scene)
{
    struct appointment set = {0, 0, 2 + (uint64_t)scene->turn % 4};
    apus_ref ref;
    CHECK_EQ(apus_send_after(scene->turn % 2 ? 3600000 : 1, apus_pid_of(self), &type_number, &(int64_t){7}, sizeof(int64_t), &ref), 0);
    for (int i = 0; i < 3; i++) {
        set.set_ns = nanoseconds();
        CHECK_EQ(apus_rearm(ref, set.delay_ms), 0);
    }
    apus_message *message = expect(self, &type_number);
    CHECK(nanoseconds() - set.set_ns >= set.delay_ms * 1000000u);
    CHECK_EQ(number_of(message), 7);
    CHECK(apus_ref_equal(apus_message_ref(message), ref));
    apus_message_release(message);
    CHECK_EQ(apus_rearm(ref, 1), -ENOENT); // it has expired
    expect_silence(self);
}

TEST(R15_rearm, "R15: a timer whose time begins anew is not early, and fires once, with its message and its reference")
{
    play(rearmed_is_never_early, 64);
}

static void rearmed_or_gone(apus_process *self, const scene_t *scene)
{
    apus_pid pid = spawn_puppet(scene, 0, NULL);
    apus_ref ref;
    CHECK_EQ(apus_send_after(3600000, pid, NULL, NULL, 0, &ref), 0);
    CHECK_EQ(apus_rearm(ref, (UINT64_C(1) << 40) + 1), -ERANGE);
    CHECK_EQ(apus_rearm(ref, 3600000), 0);
    end_and_wait(self, pid);
    CHECK_EQ(apus_rearm(ref, 3600000), -ENOENT); // its receiver has ended
    CHECK_EQ(apus_cancel(ref, NULL), -ENOENT);
    CHECK_EQ(apus_send_after(3600000, apus_pid_of(self), NULL, NULL, 0, &ref), 0);
    CHECK_EQ(apus_cancel(ref, NULL), 0);
    CHECK_EQ(apus_rearm(ref, 1), -ENOENT);
    CHECK_EQ(apus_rearm(APUS_NO_REF, 1), -ENOENT);
    expect_silence(self);
}

TEST(R15_rearm_gone, "R15: a timer that is not active cannot begin anew")
{
    play(rearmed_or_gone, 64);
}

static void cancel_races_rearm(apus_process *self, const scene_t *scene)
{
    apus_pid pid = spawn_puppet(scene, 0, NULL);
    for (int i = 0; i < 20; i++) {
        apus_ref ref;
        CHECK_EQ(apus_send_after(1, apus_pid_of(self), NULL, NULL, 0, &ref), 0);
        tell(pid, (struct order){.run = do_cancel, .pid = apus_pid_of(self), .number = (int64_t)ref.id});
        for (int j = 0; j < 50; j++)
            apus_rearm(ref, 1); // also when it has been cancelled, or has expired
        apus_message *message = expect(self, &type_number);
        bool is_cancelled = number_of(message) == 0;
        apus_message_release(message);
        struct sought expiry = {&apus_type_timeout, ref, APUS_NOBODY};
        message = apus_receive(self, sought_matches, &expiry, is_cancelled ? 0 : PATIENCE_MS);
        CHECK_EQ(is_cancelled, message == NULL);
        apus_message_release(message);
    }
    expect_silence(self);
    dismiss(pid);
}

TEST(R15_rearm_race, "R15: exactly one of expiry and cancel wins, also while the time begins anew")
{
    play(cancel_races_rearm, 64);
}

// A cancel by another thread while its time begins anew, again and again.
struct cancelled {
    apus_ref ref;
    int result;
    atomic_bool is_over;
};

static void *cancel_elsewhere(void *argument)
{
    struct cancelled *cancelled = argument;
    uint64_t left_ms = 0;
    cancelled->result = apus_cancel(cancelled->ref, &left_ms);
    CHECK(cancelled->result || (left_ms > 3000000 && left_ms <= 3600000));
    atomic_store(&cancelled->is_over, true);
    return NULL;
}

static void cancelled_while_rearmed(apus_process *self, const scene_t *scene)
{
    (void)scene;
    for (int i = 0; i < 20; i++) {
        struct cancelled cancelled = {APUS_NO_REF, 1, false};
        pthread_t thread;
        CHECK_EQ(apus_send_after(3600000, apus_pid_of(self), NULL, NULL, 0, &cancelled.ref), 0);
        CHECK_EQ(pthread_create(&thread, NULL, cancel_elsewhere, &cancelled), 0);
        while (!atomic_load(&cancelled.is_over))
            for (int j = 0; j < 100; j++)
                apus_rearm(cancelled.ref, 3600000);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(cancelled.result, 0);
        CHECK_EQ(apus_rearm(cancelled.ref, 1), -ENOENT);
    }
    expect_silence(self);
}

TEST(R15_rearm_cancel, "R15: a timer whose time begins anew again and again is active, and is cancelled by whoever asks")
{
    play(cancelled_while_rearmed, 10);
}

static void *rearm_elsewhere(void *argument)
{
    const apus_ref *ref = argument;
    CHECK_EQ(apus_rearm(*ref, 1), -EPERM);
    return NULL;
}

static void rearmed_by_a_thread(apus_process *self, const scene_t *scene)
{
    pthread_t thread;
    apus_ref ref;
    (void)scene;
    CHECK_EQ(apus_send_after(3600000, apus_pid_of(self), NULL, NULL, 0, &ref), 0);
    CHECK_EQ(pthread_create(&thread, NULL, rearm_elsewhere, &ref), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(apus_cancel(ref, NULL), -ENOENT);
    expect_silence(self);
}

TEST(R15_rearm_elsewhere, "R15: a timer of another scheduler is cancelled instead")
{
    play(rearmed_by_a_thread, 32);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
