/* A list of objects as a table for people. */
#ifndef HAPPN_CLI_TABLE_H
#define HAPPN_CLI_TABLE_H

#include <cjson/cJSON.h>

/* columns: names of members, with commas between. Times in milliseconds are shown as dates. */
void table_print(const cJSON *rows, const char *columns);

#endif
