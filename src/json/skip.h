/* The way over a value that nobody asks for, many bytes a step. */
#ifndef HAPPN_JSON_SKIP_H
#define HAPPN_JSON_SKIP_H

/* p is at an opening bracket of *validated* JSON text; returns what follows the bracket that closes it, `end` when there is none. */
const char *json_skip_container(const char *p, const char *end);

/* p is at an opening quote; returns what follows the closing one, `end` when there is none. */
const char *json_skip_string(const char *p, const char *end);

#endif
