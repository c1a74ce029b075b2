// Goal: the generator repeats itself for a seed, follows the published algorithm, and stays within its bound.
#include "os/random.h"

#include "../test.h"

TEST(published, "the sequence is that of the published algorithm")
{
    // The first output for a state of 1, 2, 3, 4 can be worked out by hand: rotl(2 * 5, 7) * 9.
    struct apus__random random = {{1, 2, 3, 4}};
    CHECK_EQ(apus__random_next(&random), 11520);
    CHECK_EQ(apus__random_next(&random), 0);
    CHECK_EQ(apus__random_next(&random), 1509978240);
}

TEST(seeds, "equal seeds give equal sequences, neighbouring seeds different ones")
{
    struct apus__random a, b, c;
    apus__random_init(&a, 0);
    apus__random_init(&b, 0);
    apus__random_init(&c, 1);
    // The first output of splitmix64 for seed 0, as published.
    CHECK(a.state[0] == 0xe220a8397b1dcdafu);
    int equal = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t x = apus__random_next(&a);
        CHECK(x == apus__random_next(&b));
        equal += x == apus__random_next(&c);
    }
    CHECK_EQ(equal, 0);
}

TEST(below, "bounded numbers cover all values below the bound evenly")
{
    struct apus__random random;
    int seen[7] = {0};
    apus__random_init(&random, 42);
    for (int i = 0; i < 70000; i++)
        seen[apus__random_below(&random, 7)]++;
    for (int i = 0; i < 7; i++)
        CHECK(seen[i] > 9500 && seen[i] < 10500);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(apus__random_below(&random, 1), 0);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
