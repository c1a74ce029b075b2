// bank.c - Savina's bank transactions: an account asks another to take the money and does nothing else until it has answered.
//
// Money goes only to accounts of higher number, so no circle of accounts waits for itself. Here the wait is `apus_call` inside the
// callback: the account's stack is set aside meanwhile.
#include "bench.h"

enum { ACCOUNTS = 1000 };

static const apus_type credit_type = {.name = "credit"};
static const apus_type debit_type = {.name = "debit"};
static const apus_type balance_type = {.name = "balance"};

static apus_pid accounts[ACCOUNTS];

struct credit {
    int64_t amount;
    apus_pid to;
};

static int account_handle(apus_process *self, void *state, apus_message *message)
{
    int64_t *balance = state;
    (void)self;
    if (apus_message_type(message) == &credit_type) {
        const struct credit *credit = apus_message_payload(message);
        apus_pid teller = apus_message_from(message);
        *balance -= credit->amount;
        check(apus_call(credit->to, &debit_type, &credit->amount, sizeof credit->amount, APUS_INFINITY, NULL) == 0, "debit");
        send_number(teller, &number_type, 1);
    } else if (apus_message_type(message) == &debit_type) {
        *balance += number_of(message);
        check(apus_reply(message, NULL, NULL, 0) == 0, "reply");
    } else {
        send_number(apus_message_from(message), &number_type, *balance);
    }
    return APUS_OK;
}

static const apus_behaviour account = {.name = "account", .state_size = sizeof(int64_t), .handle = account_handle};

static double run(apus_process *boss)
{
    int64_t transactions = scaled(50000);
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < ACCOUNTS; i++) {
        accounts[i] = spawn(&account, NULL, 0);
    }
    int64_t start = now_ns();
    for (int64_t i = 0; i < transactions; i++) {
        uint64_t from = random_below(&seed, ACCOUNTS / 10 * 8);
        struct credit credit = {0, accounts[from + 1 + random_below(&seed, ACCOUNTS - from - 1)]};
        credit.amount = (int64_t)random_below(&seed, 1000);
        check(apus_send(accounts[from], &credit_type, &credit, sizeof credit) == 0, "credit");
    }
    check(receive_sum(boss, transactions) == transactions, "transactions");
    int64_t end = now_ns();
    for (int i = 0; i < ACCOUNTS; i++) {
        check(apus_send(accounts[i], &balance_type, NULL, 0) == 0, "balance");
    }
    check(receive_sum(boss, ACCOUNTS) == 0, "no money is lost or made");
    return (double)transactions / seconds(end - start);
}

const struct workload bank_workload = {"bank", "transactions/s", run};
