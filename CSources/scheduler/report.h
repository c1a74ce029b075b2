// scheduler/report.h - reports: what is known of a process that had a fault, or that has lost its scheduler, as a text and as JSON.
//
// Idea:       whoever acts for the slot writes down what only it may look at, as a plain record with raw addresses; the monitor makes
//             names of the addresses, which takes milliseconds, and gives it to the program's log.
// Fatal:      of a fault that ends the program the report is made by the monitor as well, while the handler waits for it for a moment;
//             if it does not come, the handler writes what it can itself.
// Who:        crash: the slot's carrier. fatal: a signal handler. All else: the monitor.
// Freed:      records by flush.
#ifndef APUS_SCHEDULER_REPORT_H
#define APUS_SCHEDULER_REPORT_H

#include "os/fault.h"
#include "scheduler/slot.h"

// Where reports go; from the options. Before the monitor starts.
void apus__report_start(const apus_options *options);

// Memory for one report, made ahead, since allocating may take longer than all else; NULL if there is none. To be given to
// apus__report_crash(), or freed by free(3). Without it the report is lost, and counted.
void *apus__report_room(void);

void apus__report_crash(struct apus__slot *slot, struct apus_process *process, const apus_message *handling,
                        const struct apus__fault *fault, const apus_reason *reason, void *room);

// `process`: whose code had the fault, or NULL; `why_not` says why it was not contained.
void apus__report_fatal(struct apus_process *process, const struct apus__fault *fault, const char *why_not);

// Of a process that stays in its callback: note it while its slot is claimed (rescue.h), and once that is decided tell of it, if
// anybody is to be told.
bool apus__report_tells_of_rescues(void);
void apus__report_note(struct apus__slot *slot, struct apus_process *process);
void apus__report_rescue(uint32_t for_ms);

// A line that the program should be told, with no process to it.
void apus__report_warning(const char *line);

// Makes and hands out all reports that wait.
void apus__report_flush(void);

#endif
