/* Asking a running server by its control socket. */
#ifndef HAPPN_CLI_CONTROL_CLIENT_H
#define HAPPN_CLI_CONTROL_CLIENT_H

#include <cjson/cJSON.h>
#include <stddef.h>

/* Where `happn serve` on this port makes its socket, for this user: a folder that only he may enter, made when it is missing. 0, or -1 when there
 * is none: then a line on stderr says why. */
int control_path(int port, char *out, size_t size);

/* Sends one line and reads one. NULL: a line on stderr says why. The answer's `result`, to be freed with cJSON_Delete (never NULL otherwise). */
cJSON *control_ask(const char *command, const char *path, const char *line);

#endif
