// os/quota.h - how many CPUs' worth of time the cgroup (version 2) of this OS process grants.
//
// A cgroup's limit holds for all below it, so the quota is the least of cpu.max over the cgroup and its parents. What cannot be
// read does not limit: in a container the path of /proc/self/cgroup may not exist below the mount, and then its root is the cgroup.
#ifndef APUS_OS_QUOTA_H
#define APUS_OS_QUOTA_H

// The path of this OS process's cgroup is read from /proc/self/cgroup, and is "/" without one. In CPUs; 0 = no limit.
double apus__quota_read(const char *cgroup_root);

// The same for a given path below the root, such as "/system.slice/a.service".
double apus__quota_of(const char *cgroup_root, const char *path);

#endif
