/* What a loop's thread is at, for the watchdog's thread to read: texts that live as long as the watchdog does. Telling costs a store. */
#ifndef HAPPN_BASE_WHEREABOUTS_H
#define HAPPN_BASE_WHEREABOUTS_H

#include <stdatomic.h>
#include <stdbool.h>

typedef _Atomic(const char *) whereabouts_text;

struct whereabouts {
    whereabouts_text action; /* "set"; NULL: nothing that has a name */
    whereabouts_text part;   /* of that: "a layer", "find in the store" */
    whereabouts_text script, hook;
    atomic_int line;         /* of the script, as far as it is known: 0 when it is not */
    atomic_bool is_running;  /* the loop's thread is in its loop; a host that steps may be elsewhere for as long as it likes */
    atomic_bool is_stuck;    /* the watchdog has told so, and the loop has not moved since */
};

/* What the text was before: to be set again when this is over. */
static inline const char *whereabouts_set(whereabouts_text *field, const char *text)
{
    const char *before = atomic_load_explicit(field, memory_order_relaxed);
    atomic_store_explicit(field, text, memory_order_release);
    return before;
}

#endif
