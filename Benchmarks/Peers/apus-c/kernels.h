// kernels.h - the arithmetic of the workloads that compute, without any process: what one thread of plain C does.
//
// Included by the workloads of apus-c and of CAF, whose processes call the parts, and by Benchmarks/Limits, which runs the whole
// on one thread to say what the work itself costs.
#ifndef APUS_BENCH_KERNELS_H
#define APUS_BENCH_KERNELS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// --- queens: each new one is compared with those before it, as Savina does -------------------------------------------------------

struct kernel_board {
    int8_t queens;
    int8_t column[15];
};

// Whether the last queen is safe from the others.
static inline bool kernel_board_fits(const struct kernel_board *board)
{
    int last = board->queens - 1, column = board->column[last];
    for (int row = 0; row < last; row++) {
        int other = board->column[row], rows = last - row;
        if (other == column || other == column - rows || other == column + rows) {
            return false;
        }
    }
    return true;
}

// How many ways there are to fill up the board. It is changed meanwhile, and back.
static inline int64_t kernel_queens(struct kernel_board *board, int size)
{
    if (board->queens == size) {
        return 1;
    }
    int64_t solutions = 0;
    board->queens++;
    for (int column = 0; column < size; column++) {
        board->column[board->queens - 1] = (int8_t)column;
        if (kernel_board_fits(board)) {
            solutions += kernel_queens(board, size);
        }
    }
    board->queens--;
    return solutions;
}

// --- quicksort: Savina's, by lists of what is less, equal and greater ------------------------------------------------------------

struct kernel_slice {
    int64_t *values;
    int64_t count;
};

// Splits `all` at the value in its middle. The three parts lie one after the other in one block, which begins at less.values.
struct kernel_parts {
    struct kernel_slice less, equal, greater;
};

static inline struct kernel_parts kernel_split(struct kernel_slice all)
{
    int64_t pivot = all.values[all.count / 2], less = 0, equal = 0;
    for (int64_t i = 0; i < all.count; i++) {
        less += all.values[i] < pivot;
        equal += all.values[i] == pivot;
    }
    int64_t *block = (int64_t *)malloc((size_t)all.count * sizeof *block);
    int64_t *to_less = block, *to_equal = block + less, *to_greater = to_equal + equal;
    struct kernel_parts parts = {{block, less}, {to_equal, equal}, {to_greater, all.count - less - equal}};
    for (int64_t i = 0; i < all.count; i++) {
        int64_t value = all.values[i];
        if (value < pivot) {
            *to_less++ = value;
        } else if (value == pivot) {
            *to_equal++ = value;
        } else {
            *to_greater++ = value;
        }
    }
    return parts;
}

// Sorts in place.
static inline void kernel_sort(struct kernel_slice all)
{
    if (all.count < 2) {
        return;
    }
    struct kernel_parts parts = kernel_split(all);
    kernel_sort(parts.less);
    kernel_sort(parts.greater);
    memcpy(all.values, parts.less.values, (size_t)all.count * sizeof *all.values);
    free(parts.less.values);
}

// --- matrices --------------------------------------------------------------------------------------------------------------------

// The block of c = a * b that begins at (row, column) and has `size` rows and columns; matrices have n.
static inline void kernel_multiply(const double *a, const double *b, double *c, int64_t n, int64_t row, int64_t column,
                                   int64_t size)
{
    for (int64_t i = row; i < row + size; i++) {
        for (int64_t k = 0; k < n; k++) {
            double x = a[i * n + k];
            for (int64_t j = column; j < column + size; j++) {
                c[i * n + j] += x * b[k * n + j];
            }
        }
    }
}

// --- Mandelbrot ------------------------------------------------------------------------------------------------------------------

// bencherl's picture of n * n points: the sum of the iterations of all points.
static inline int64_t kernel_mandelbrot(int n)
{
    int64_t sum = 0;
    for (int row = n; row > 0; row--) {
        for (int column = n; column > 0; column--) {
            double x0 = (double)(column - 1) / n * 4 - 2, y0 = (double)(row - 1) / n * 4 - 2, x = x0, y = y0;
            int i = 0;
            // The squares by name, so that x can change last: gcc copies an x that waits in another variable, and each step waits for
            // the copy. LLVM does without by itself in the peers that it compiles.
            for (; i < 255; i++) {
                double xx = x * x, yy = y * y;
                if (xx + yy > 4) {
                    break;
                }
                y = 2 * x * y + y0;
                x = xx - yy + x0;
            }
            sum += i;
        }
    }
    return sum;
}

// --- orbit -----------------------------------------------------------------------------------------------------------------------

// Counts from 1 at 0 and 1, by doubly recursive calls, which are the work.
static int64_t kernel_orbit_fib(int64_t n)
{
    return n < 2 ? 1 : kernel_orbit_fib(n - 1) + kernel_orbit_fib(n - 2);
}

// bencherl's generators f1 and f3, which map numbers below n to numbers below n.
static inline int64_t kernel_orbit_image(int generator, int64_t n, int64_t x)
{
    int64_t y = generator == 0 ? kernel_orbit_fib(x % 16) + x : kernel_orbit_fib(x % 16 + 10) - x * x * x + 8 * x;
    return (y < 0 ? -y : y) % n;
}

// The number of vertices that can be reached from 0.
static inline int64_t kernel_orbit(int64_t n)
{
    int64_t *queue = (int64_t *)malloc((size_t)n * sizeof *queue), first = 0, count = 1;
    bool *seen = (bool *)calloc((size_t)n, sizeof *seen);
    queue[0] = 0;
    seen[0] = true;
    for (; first < count; first++) {
        for (int generator = 0; generator < 2; generator++) {
            int64_t image = kernel_orbit_image(generator, n, queue[first]);
            if (!seen[image]) {
                seen[image] = true;
                queue[count++] = image;
            }
        }
    }
    free(queue);
    free(seen);
    return count;
}

#endif
