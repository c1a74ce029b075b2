// os/quota.c - see quota.h.
#include "os/quota.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "os/file.h"

// cpu.max of one directory: "<microseconds> <per microseconds>", or "max <per microseconds>". 0 = no limit.
static double quota_of_directory(const char *root, const char *path)
{
    char text[64];
    double granted, period;
    if (!apus__file_read(text, sizeof text, "%s%s/cpu.max", root, path))
        return 0;
    if (sscanf(text, "%lf %lf", &granted, &period) != 2 || granted <= 0 || period <= 0)
        return 0;
    return granted / period;
}

double apus__quota_of(const char *cgroup_root, const char *path)
{
    char here[PATH_MAX];
    double least = 0;
    // A path with ".." leads out of our cgroup namespace, to directories that are not ours to read: only the root is left.
    snprintf(here, sizeof here, "%s", strstr(path, "/..") ? "" : path);
    for (;;) {
        double quota = quota_of_directory(cgroup_root, here);
        if (quota > 0 && (least == 0 || quota < least))
            least = quota;
        char *slash = strrchr(here, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

double apus__quota_read(const char *cgroup_root)
{
    char text[PATH_MAX + 256];
    apus__file_read(text, sizeof text, "/proc/self/cgroup");
    // One line for each hierarchy; version 2 is "0::/path". Version 1 lines ("2:cpu:/path") are no business of ours.
    for (char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, "0::", 3) != 0)
            continue;
        char *end = strchr(line, '\n');
        if (end)
            *end = '\0';
        return apus__quota_of(cgroup_root, line + 3);
    }
    return apus__quota_of(cgroup_root, "/");
}
