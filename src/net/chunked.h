/* Bodies in chunks (RFC 9112, 7.1), read as they come. Strictly: whoever stands before us must not read them differently. */
#ifndef HAPPN_NET_CHUNKED_H
#define HAPPN_NET_CHUNKED_H

#include "base/str.h"

enum chunked_step {
    CHUNKED_SIZE, CHUNKED_EXTENSION, CHUNKED_SIZE_END, CHUNKED_DATA, CHUNKED_DATA_CR, CHUNKED_DATA_LF, /* of a chunk */
    CHUNKED_LINE, CHUNKED_TRAILER, CHUNKED_TRAILER_LF, CHUNKED_LAST_LF /* behind the last one */
};

/* Zeroed: at the beginning. */
struct chunked {
    enum chunked_step step;
    uint64_t left;    /* of the chunk */
    unsigned digits;  /* of its size */
    size_t ignored;   /* bytes of extensions and trailers */
};

enum chunked_found { CHUNKED_MORE, CHUNKED_PART, CHUNKED_END, CHUNKED_BROKEN };

/* Takes from the front of `in`. PART: `out` are bytes of the body, within `in`; call again. MORE: all is taken, and the end is to come.
 * END: what is left in `in` lies behind the body. BROKEN: it is none. */
enum chunked_found chunked_take(struct chunked *self, struct str *in, struct str *out);

#endif
