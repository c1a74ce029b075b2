// matmul.c - Savina's recursive matrix multiplication: 20 workers cut the result into quarters until a block has 16,384 elements.
//
// Savina also cuts the sum along the inner dimension, and two workers then add to one element at once; here a block has one worker.
#include "bench.h"
#include "kernels.h"

enum { WORKERS = 20, BLOCK = 16384 };

static const apus_type work_type = {.name = "work"};
static const apus_type done_type = {.name = "done"};

static int64_t n;
static double *a, *b, *c;

struct block {
    int64_t row, column, size;
};

static int worker_handle(apus_process *self, void *state, apus_message *message)
{
    const struct block *block = apus_message_payload(message);
    apus_pid master = apus_message_from(message);
    (void)self;
    (void)state;
    if (block->size * block->size > BLOCK) {
        int64_t half = block->size / 2;
        for (int quarter = 0; quarter < 4; quarter++) {
            struct block part = {block->row + quarter / 2 * half, block->column + quarter % 2 * half, half};
            check(apus_send(master, &work_type, &part, sizeof part) == 0, "work");
        }
    } else {
        kernel_multiply(a, b, c, n, block->row, block->column, block->size);
    }
    check(apus_send(master, &done_type, NULL, 0) == 0, "done");
    return APUS_OK;
}

static const apus_behaviour worker = {.name = "worker", .handle = worker_handle};

struct master {
    apus_pid workers[WORKERS];
    int64_t next;
    int64_t outstanding;
};

static void master_hand_out(struct master *me, const struct block *block)
{
    me->outstanding++;
    check(apus_send(me->workers[me->next++ % WORKERS], &work_type, block, sizeof *block) == 0, "work");
}

static int master_init(apus_process *self, void *state, const void *argument)
{
    struct master *me = state;
    (void)self;
    (void)argument;
    for (int i = 0; i < WORKERS; i++) {
        me->workers[i] = spawn(&worker, NULL, 0);
    }
    master_hand_out(me, &(struct block){0, 0, n});
    return APUS_OK;
}

static int master_handle(apus_process *self, void *state, apus_message *message)
{
    struct master *me = state;
    if (apus_message_type(message) == &work_type) {
        master_hand_out(me, apus_message_payload(message));
    } else if (--me->outstanding == 0) {
        send_number(apus_parent_of(self), &number_type, 0);
        return APUS_DONE;
    }
    return APUS_OK;
}

static const apus_behaviour master = {.name = "master", .state_size = sizeof(struct master), .init = master_init,
                                      .handle = master_handle};

static double run(apus_process *boss)
{
    n = scale() < 1 ? 256 : 1024;
    a = malloc((size_t)(n * n) * sizeof *a);
    b = malloc((size_t)(n * n) * sizeof *b);
    c = malloc((size_t)(n * n) * sizeof *c);
    check(a != NULL && b != NULL && c != NULL, "memory");
    for (int64_t i = 0; i < n * n; i++) {
        a[i] = (double)(i / n);
        b[i] = (double)(i % n);
        c[i] = 0; // in all peers before the clock starts, so that none has its pages cleared while it runs
    }
    int64_t start = now_ns();
    spawn(&master, NULL, 0);
    receive_number(boss);
    int64_t end = now_ns();
    for (int64_t i = 0; i < n * n; i++) {
        check(c[i] == (double)(n * (i / n) * (i % n)), "product");
    }
    free(a);
    free(b);
    free(c);
    return (double)(n * n * n) / seconds(end - start);
}

const struct workload matmul_workload = {"matmul", "multiply-adds/s", run};
