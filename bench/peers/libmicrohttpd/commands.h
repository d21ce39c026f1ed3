// The MI commands of the baseline: each builds its result as a tree in memory.
#ifndef COMMANDS_H
#define COMMANDS_H

#include <cjson/cJSON.h>
#include <stddef.h>

// Reads one name a line; the names are those of the server that is compared, so that replies have equal sizes.
int commands_load(const char *version, const char *names_file, const char *statistics_file, size_t contacts);

// The result of a command; NULL if there is no such command or the parameters do not suit it.
cJSON *commands_run(const char *method, const cJSON *params);

#endif
