/* What HTTP headers say about who somebody is: cookies and bearer tokens, read and written. */
#ifndef HAPPN_SECURITY_HEADER_H
#define HAPPN_SECURITY_HEADER_H

#include "base/buf.h"
#include "base/str.h"

/* The value of the first cookie of this name in a Cookie header, without quotes around it; not set: there is none. Names are told apart by
 * case. Points into the header. */
struct str cookie_read(struct str header, struct str name);

/* The token of "Bearer <token>", whose word may have any case; not set: it is something else. Points into the header. */
struct str bearer_read(struct str authorization);

/* A name of a header or cookie: a token of RFC 9110. */
bool header_is_name(struct str name);

enum same_site { SAME_SITE_LAX, SAME_SITE_STRICT, SAME_SITE_NONE };

struct cookie {
    struct str name, value;
    struct str domain;    /* not set: this host only */
    struct str path;      /* not set: / */
    int64_t max_age_ms;   /* 0: until the browser is closed; less: it is deleted */
    bool is_secure;
    bool for_scripts;     /* without HttpOnly */
    enum same_site same_site;
};

/* Adds the text of a Set-Cookie header. False: some part has a character that a cookie cannot have (nothing was added), or the buffer failed. */
bool cookie_add(struct buf *out, const struct cookie *cookie);

#endif
