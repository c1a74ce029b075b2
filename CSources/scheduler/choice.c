#include "scheduler/choice.h"

#include "base/assert.h"

#include <stdlib.h>

static uint32_t choice_draw(struct apus__random *random, uint32_t bound, uint32_t odds)
{
    if (odds >= APUS__ODDS_EVEN)
        return apus__random_below(random, bound);
    if (apus__random_below(random, APUS__ODDS_EVEN) >= odds)
        return 0;
    return 1 + apus__random_below(random, bound - 1);
}

static void choice_record(struct apus__choices *choices, struct apus__choice choice)
{
    if (choices->count == choices->capacity) {
        size_t capacity = choices->capacity ? 2 * choices->capacity : 1024;
        struct apus__choice *record = realloc(choices->record, capacity * sizeof *record);
        apus_check(record != NULL);
        choices->record = record;
        choices->capacity = capacity;
    }
    choices->record[choices->count] = choice;
}

uint32_t apus__choose(struct apus__choices *choices, enum apus__choice_kind kind, uint32_t bound, uint32_t odds)
{
    if (bound < 2)
        return 0;
    uint32_t value = 0;
    if (choices->is_random)
        value = choice_draw(&choices->random, bound, odds);
    else if (choices->count < choices->script_count)
        value = choices->script[choices->count] % bound;
    if (choices->is_recorded)
        choice_record(choices, (struct apus__choice){value, bound, kind});
    choices->count++;
    return value;
}

void apus__choices_destroy(struct apus__choices *choices)
{
    free(choices->record);
    choices->record = NULL;
    choices->capacity = 0;
}
