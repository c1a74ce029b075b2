/* apus/apus.h - all of Apus: processes, messages, links, monitors, supervisors for C. */
#ifndef APUS_APUS_H
#define APUS_APUS_H

#include <apus/base.h>
#include <apus/hooks.h>
#include <apus/inspect.h>
#include <apus/io.h>
#include <apus/link.h>
#include <apus/message.h>
#include <apus/process.h>
#include <apus/reason.h>
#include <apus/registry.h>
#include <apus/request.h>
#include <apus/runtime.h>
#include <apus/simulate.h>
#include <apus/supervisor.h>
#include <apus/system.h>
#include <apus/timer.h>

#endif
