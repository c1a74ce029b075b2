// nqueens.c - Savina's N-queens: a master hands boards to 20 workers, which hand longer ones back until four queens stand.
#include "bench.h"
#include "kernels.h"

enum { SIZE = 12, THRESHOLD = 4, WORKERS = 20 };

static const apus_type work_type = {.name = "work"};
static const apus_type done_type = {.name = "done"}; // payload: solutions found

static int worker_handle(apus_process *self, void *state, apus_message *message)
{
    const struct kernel_board *board = apus_message_payload(message);
    apus_pid master = apus_message_from(message);
    int64_t solutions = 0;
    (void)self;
    (void)state;
    if (board->queens < THRESHOLD) {
        struct kernel_board longer = *board;
        longer.queens++;
        for (int column = 0; column < SIZE; column++) {
            longer.column[board->queens] = (int8_t)column;
            if (kernel_board_fits(&longer)) {
                check(apus_send(master, &work_type, &longer, sizeof longer) == 0, "work");
            }
        }
    } else {
        struct kernel_board rest = *board;
        solutions = kernel_queens(&rest, SIZE);
    }
    send_number(master, &done_type, solutions);
    return APUS_OK;
}

static const apus_behaviour worker = {.name = "worker", .handle = worker_handle};

struct master {
    apus_pid workers[WORKERS];
    int64_t next;
    int64_t outstanding;
    int64_t solutions;
};

static void master_hand_out(struct master *me, const struct kernel_board *board)
{
    me->outstanding++;
    check(apus_send(me->workers[me->next++ % WORKERS], &work_type, board, sizeof *board) == 0, "work");
}

static int master_init(apus_process *self, void *state, const void *argument)
{
    struct master *me = state;
    (void)self;
    (void)argument;
    for (int i = 0; i < WORKERS; i++) {
        me->workers[i] = spawn(&worker, NULL, 0);
    }
    master_hand_out(me, &(struct kernel_board){0});
    return APUS_OK;
}

static int master_handle(apus_process *self, void *state, apus_message *message)
{
    struct master *me = state;
    if (apus_message_type(message) == &work_type) {
        master_hand_out(me, apus_message_payload(message));
        return APUS_OK;
    }
    me->solutions += number_of(message);
    if (--me->outstanding > 0) {
        return APUS_OK;
    }
    send_number(apus_parent_of(self), &number_type, me->solutions);
    return APUS_DONE;
}

static const apus_behaviour master = {.name = "master", .state_size = sizeof(struct master), .init = master_init,
                                      .handle = master_handle};

static double run(apus_process *boss)
{
    int64_t repetitions = scaled(1);
    int64_t start = now_ns();
    for (int64_t i = 0; i < repetitions; i++) {
        spawn(&master, NULL, 0);
        check(receive_number(boss) == 14200, "solutions");
    }
    return seconds(now_ns() - start) / (double)repetitions;
}

const struct workload nqueens_workload = {"nqueens", "s", run};
