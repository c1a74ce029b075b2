// kernels.c - what the workloads that compute cost one thread of plain C, with no process in sight.
#include "limits.h"

#include "kernels.h"

#include <math.h>

static double queens_s(void)
{
    struct kernel_board board = {0};
    int64_t start = now_ns();
    check(kernel_queens(&board, 12) == 14200, "queens");
    return (double)(now_ns() - start) / 1e9;
}

static double sort_per_s(int64_t count)
{
    int64_t *values = malloc((size_t)count * sizeof *values);
    uint64_t seed = 1024;
    check(values != NULL, "malloc");
    for (int64_t i = 0; i < count; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        values[i] = (int64_t)(seed >> 4);
    }
    int64_t start = now_ns();
    kernel_sort((struct kernel_slice){values, count});
    int64_t end = now_ns();
    for (int64_t i = 1; i < count; i++) {
        check(values[i - 1] <= values[i], "order");
    }
    free(values);
    return (double)count * 1e9 / (double)(end - start);
}

static double multiply_per_s(int64_t n)
{
    double *a = malloc((size_t)(n * n) * sizeof *a), *b = malloc((size_t)(n * n) * sizeof *b);
    double *c = calloc((size_t)(n * n), sizeof *c);
    check(a != NULL && b != NULL && c != NULL, "malloc");
    for (int64_t i = 0; i < n * n; i++) {
        a[i] = (double)(i / n);
        b[i] = (double)(i % n);
    }
    int64_t start = now_ns();
    for (int64_t row = 0; row < n; row += 128) {
        for (int64_t column = 0; column < n; column += 128) {
            kernel_multiply(a, b, c, n, row, column, 128);
        }
    }
    int64_t end = now_ns();
    check(c[n * n - 1] == (double)(n * (n - 1) * (n - 1)), "product");
    free(a);
    free(b);
    free(c);
    return (double)(n * n * n) * 1e9 / (double)(end - start);
}

static double points_per_s(int pictures)
{
    int64_t sum = 0, start = now_ns();
    for (int i = 0; i < pictures; i++) {
        sum += kernel_mandelbrot(100);
    }
    int64_t end = now_ns();
    check(sum > 0 && sum % pictures == 0, "iterations");
    return pictures * 10000.0 * 1e9 / (double)(end - start);
}

static double vertices_per_s(int64_t space)
{
    int64_t start = now_ns(), reached = kernel_orbit(space), end = now_ns();
    check(reached > 0, "orbit");
    return (double)(2 * reached + 1) * 1e9 / (double)(end - start);
}

// An item is made and used: twice 2,500 logarithms.
static double items_per_s(int64_t items)
{
    double sum = 0;
    int64_t start = now_ns();
    for (int64_t i = 0; i < 2 * items; i++) {
        uint64_t seed = 25;
        for (int k = 0; k < 2500; k++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            sum += log((double)(seed >> 11) / 9007199254740992.0 + 0.01);
        }
    }
    int64_t end = now_ns();
    check(isfinite(sum) && sum != 0, "sum");
    return (double)items * 1e9 / (double)(end - start);
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

static double most(double a, double b)
{
    return a > b ? a : b;
}

int main(int argc, char **argv)
{
    struct limits_arguments arguments = limits_arguments(argc, argv);
    double queens = 1e9, sort = 0, multiply = 0, points = 0, vertices = 0, items = 0;
    for (int i = 0; i < 3; i++) {
        queens = least(queens, queens_s());
        sort = most(sort, sort_per_s(limits_scaled(arguments, 300000)));
        multiply = most(multiply, multiply_per_s(arguments.scale < 1 ? 256 : 1024));
        points = most(points, points_per_s((int)limits_scaled(arguments, 20)));
        vertices = most(vertices, vertices_per_s(limits_scaled(arguments, 700)));
        items = most(items, items_per_s(limits_scaled(arguments, 500)));
    }
    limits_print("nqueens", arguments.cores, queens, "s");
    limits_print("quicksort", arguments.cores, sort, "values/s");
    limits_print("matmul", arguments.cores, multiply, "multiply-adds/s");
    limits_print("mbrot", arguments.cores, points, "points/s");
    limits_print("orbit", arguments.cores, vertices, "vertices/s");
    limits_print("bounded_buffer", arguments.cores, items, "items/s");
    return 0;
}
