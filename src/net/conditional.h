/* What a browser has already, and which part it wants: the conditions of a request for a file (RFC 9110, 13 and 14). */
#ifndef HAPPN_NET_CONDITIONAL_H
#define HAPPN_NET_CONDITIONAL_H

#include "base/str.h"

enum { HTTP_DATE_SIZE = 32 };

/* The headers as they were sent; not set: not sent. */
struct conditions {
    struct str none_match, modified_since, range, if_range;
};

struct file_facts {
    const char *tag;  /* with its quotes */
    int64_t modified; /* seconds since 1970 */
    uint64_t size;
};

struct file_range {
    uint64_t from, to; /* to: the first byte behind it */
};

/* 200, 206, 304 or 416; out: the bytes to send with 200 and 206. Several ranges at once are answered with the whole. */
int conditional_status(const struct conditions *conditions, const struct file_facts *facts, struct file_range *out);

/* "Sun, 06 Nov 1994 08:49:37 GMT"; false: another text. */
bool http_date_read(struct str text, int64_t *out);
void http_date_write(int64_t seconds, char out[HTTP_DATE_SIZE]);

#endif
