// sieve.c - Savina's sieve of Eratosthenes: a chain of filters with up to 1,000 primes each, through which the odd numbers go.
#include "bench.h"

#include <stdlib.h>

enum { PRIMES = 1000 };

static const apus_type end_type = {.name = "end"}; // payload: primes found so far in the chain

struct filter {
    apus_pid boss;
    apus_pid next; // NOBODY at the end of the chain
    int64_t count;
    int64_t primes[PRIMES];
};

struct birth {
    apus_pid boss;
    int64_t prime;
};

static int filter_init(apus_process *self, void *state, const void *argument)
{
    struct filter *me = state;
    const struct birth *birth = argument;
    (void)self;
    me->boss = birth->boss;
    me->primes[me->count++] = birth->prime;
    return APUS_OK;
}

// Whether `prime` divides `number`. Both mostly fit in 32 bits, for which the processor divides faster; LLVM asks by itself in the peers
// that it compiles, gcc does not.
static bool divides(int64_t prime, int64_t number)
{
    return ((uint64_t)(number | prime) >> 32 ? number % prime : (int64_t)((uint32_t)number % (uint32_t)prime)) == 0;
}

static int filter_handle(apus_process *self, void *state, apus_message *message);
static const apus_behaviour filter = {.name = "filter", .state_size = sizeof(struct filter), .init = filter_init,
                                      .handle = filter_handle};

static int filter_handle(apus_process *self, void *state, apus_message *message)
{
    struct filter *me = state;
    int64_t number = number_of(message);
    bool is_last = apus_pid_equal(me->next, APUS_NOBODY);
    (void)self;
    if (apus_message_type(message) == &end_type) {
        send_number(is_last ? me->boss : me->next, is_last ? &number_type : &end_type, number + me->count);
        return APUS_DONE;
    }
    for (int64_t i = 0; i < me->count; i++) {
        if (divides(me->primes[i], number)) {
            return APUS_OK;
        }
    }
    if (me->count < PRIMES) {
        me->primes[me->count++] = number;
    } else if (is_last) {
        me->next = spawn(&filter, &(struct birth){me->boss, number}, sizeof(struct birth));
    } else {
        send_number(me->next, &number_type, number);
    }
    return APUS_OK;
}

static int64_t count_primes(int64_t limit)
{
    char *composite = calloc((size_t)limit + 1, 1);
    int64_t primes = 0;
    check(composite != NULL, "memory");
    for (int64_t i = 2; i <= limit; i++) {
        if (composite[i]) {
            continue;
        }
        primes++;
        for (int64_t multiple = i * i; multiple <= limit; multiple += i) {
            composite[multiple] = 1;
        }
    }
    free(composite);
    return primes;
}

static double run(apus_process *boss)
{
    int64_t limit = scaled(100000);
    limit = limit < 10 ? 10 : limit;
    int64_t start = now_ns();
    apus_pid first = spawn(&filter, &(struct birth){apus_pid_of(boss), 2}, sizeof(struct birth));
    for (int64_t number = 3; number <= limit; number += 2) {
        send_number(first, &number_type, number);
    }
    send_number(first, &end_type, 0);
    int64_t primes = receive_number(boss);
    int64_t end = now_ns();
    check(primes == count_primes(limit), "primes");
    return (double)(limit / 2) / seconds(end - start);
}

const struct workload sieve_workload = {"sieve", "numbers/s", run};
