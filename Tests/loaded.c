/* A program that loads the library by dlopen(3), as a plug-in of another one does: it runs, but the mutexes that its threads hold are not
 * counted, so none of its faults is contained (docs/guides/faults.md). */
#define _GNU_SOURCE 1
#include <apus/apus.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int (*start)(const apus_options *);
static int (*spawn)(void (*)(apus_process *, void *), const void *, size_t, const apus_spawn_options *, apus_pid *);
static int (*join)(apus_pid, uint64_t, apus_reason *);
static int (*stop)(uint64_t);

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int *volatile nowhere;

static void rest(apus_process *self, void *argument)
{
    (void)self, (void)argument;
}

static void fall_with_lock(apus_process *self, void *argument)
{
    (void)self, (void)argument;
    pthread_mutex_lock(&mutex);
    *nowhere = 1;
}

/* Loads the library, runs `body` as a process, and stops. */
static int run(void (*body)(apus_process *, void *))
{
    void *library = dlopen("libapus.so.0", RTLD_NOW | RTLD_LOCAL);
    apus_pid pid;
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    *(void **)&start = dlsym(library, "apus_start");
    *(void **)&spawn = dlsym(library, "apus_spawn_blocking");
    *(void **)&join = dlsym(library, "apus_join");
    *(void **)&stop = dlsym(library, "apus_stop");
    return start(NULL) || spawn(body, NULL, 0, NULL, &pid) || join(pid, APUS_INFINITY, NULL) || stop(1000) || dlclose(library);
}

int main(void)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(run(fall_with_lock));
    if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV) {
        fprintf(stderr, "a fault with a mutex held: status %#x\n", (unsigned)status);
        return 1;
    }
    return run(rest);
}
