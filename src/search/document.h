/* A stored document, which is what searches look at. */
#ifndef HAPPN_SEARCH_DOCUMENT_H
#define HAPPN_SEARCH_DOCUMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* Slices belong to whoever hands it out. */
struct document {
    struct str path;
    struct str data;        /* JSON text of an object */
    int64_t created;        /* milliseconds since 1970 */
    int64_t modified;
    struct str modified_by; /* user name; not set when nobody is known */
    struct str tag;         /* the name of a snapshot; not set otherwise */
    int64_t rev;
    bool is_unchecked;      /* `data` comes from a file or a host, and nobody has looked whether it is what it should be */
    bool is_projected;      /* `data` is what the search asks for already */
    struct buf *own;        /* the memory of a long `data`, which who copies the document may take instead; NULL: it must be copied */
};

#endif
