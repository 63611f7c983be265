/* Names nobody can guess. */
#ifndef HAPPN_BASE_ID_H
#define HAPPN_BASE_ID_H

#include "base/memory.h"

/* Fills bytes from the system's generator. */
void id_random(void *bytes, size_t len);

/* Writes a version 4 UUID, 36 characters and a NUL. */
void id_uuid(char out[37]);

/* Writes 22 characters of URL-safe base64 (132 random bits) and a NUL. */
void id_short(char out[23]);

#endif
