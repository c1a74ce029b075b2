// Tests/fuzz/input.h - bytes of a fuzzer, taken as what is needed; all zero when they are used up.
#ifndef APUS_TESTS_FUZZ_INPUT_H
#define APUS_TESTS_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t *input_data;
static size_t input_left;

static inline uint8_t input_byte(void)
{
    return input_left ? (input_left--, *input_data++) : 0;
}

static inline uint64_t input_word(void)
{
    uint64_t word = 0;
    for (int i = 0; i < 8; i++)
        word = word << 8 | input_byte();
    return word;
}

static inline unsigned input_below(unsigned bound)
{
    return input_byte() % bound;
}

// Up to `size` - 1 bytes and a zero.
static inline char *input_text(char *text, size_t size)
{
    size_t length = input_byte();
    length = length < size ? length : size - 1;
    length = length < input_left ? length : input_left;
    memcpy(text, input_data, length);
    text[length] = '\0';
    input_data += length;
    input_left -= length;
    return text;
}

#define FUZZ_CHECK(x) ((x) ? (void)0 : (fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #x), abort()))

#endif
