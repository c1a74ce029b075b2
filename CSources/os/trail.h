// os/trail.h - where a thread is that sleeps in the system, as another thread sees it.
//
// Idea:    a signal would tell it, but interrupts sleep(3), poll(2) and the like, which the program would see. The system says of a thread
//          that sleeps where its stack ends (/proc/self/task/N/syscall); from there upwards the words that point behind a call
//          instruction are the return addresses of the functions it is in, and perhaps of some that have returned. Of a thread that
//          computes the system says nothing.
// Who:     any thread. The stack must stay mapped meanwhile; its thread may wake up and write to it, which only spoils the answer.
// Cost:    tens of microseconds.
#ifndef APUS_OS_TRAIL_H
#define APUS_OS_TRAIL_H

#include <stdint.h>

#include "os/stack.h"

// Writes the pc and the return addresses of thread `id` (the kernel's number), which is on `stack`, innermost first, at most `most`.
// Returns how many; 0 if it does not sleep, is on another stack, or the system does not tell.
unsigned apus__trail(uint32_t id, const struct apus__stack *stack, uintptr_t *frames, unsigned most);

#endif
