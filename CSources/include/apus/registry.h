/* apus/registry.h - names of processes. */
#ifndef APUS_REGISTRY_H
#define APUS_REGISTRY_H

#include <apus/base.h>
#include <apus/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The longest name in bytes, without the final zero. */
#define APUS_NAME_MAX 127

/* Gives a process a name. A process has at most one; it goes when the process ends, before anyone hears of the end.
 * name:   UTF-8, 1 to APUS_NAME_MAX bytes; copied.
 * Errors: -EINVAL the name is empty or too long; -EEXIST the name is taken; -EALREADY the process has a name; -ESRCH it has ended.
 * Cost:   O(1) expected, lock-free (a hash table read under RCU).
 * OTP:    register/2. */
APUS_API int apus_register(const char *name, apus_pid pid);

/* Finds the process of a name. Errors: -ESRCH nobody has it; *pid is then APUS_NOBODY. OTP: whereis/1. */
APUS_API int apus_whereis(const char *name, apus_pid *pid);

/* Takes a name away from its process. Errors: -ESRCH nobody has it. OTP: unregister/1. */
APUS_API int apus_unregister(const char *name);

/* Sends to whoever has the name now. Errors: as `apus_send`; -ESRCH nobody has it. OTP: Name ! Message. */
APUS_API int apus_send_name(const char *name, const apus_type *type, const void *payload, size_t size);

#ifdef __cplusplus
}
#endif

#endif
