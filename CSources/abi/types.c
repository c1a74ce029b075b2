#include <apus/apus.h>

const apus_type apus_type_started = {.name = "started"};
const apus_type apus_type_exit = {.name = "exit"};
const apus_type apus_type_down = {.name = "down"};
const apus_type apus_type_reply = {.name = "reply"};
const apus_type apus_type_timeout = {.name = "timeout"};
const apus_type apus_type_system = {.name = "system"};
const apus_type apus_type_io = {.name = "io"};
