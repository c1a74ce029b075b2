// Tests/gates/usage.c - usage: usage FILE COMMAND... - runs a command and writes to FILE how often its threads waited, that is, their
// voluntary context switches, and how often the kernel had to find a page for them. Exits with the command's status.
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct rusage usage;
    int status = 0;
    if (argc < 3)
        return 2;
    pid_t child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) != child || !WIFEXITED(status))
        return 1;
    FILE *file = fopen(argv[1], "w");
    if (!file)
        return 1;
    fprintf(file, "%ld %ld\n", usage.ru_nvcsw, usage.ru_minflt);
    return fclose(file) == 0 ? WEXITSTATUS(status) : 1;
}
