/* JSON values as searches compare them. */
#ifndef HAPPN_SEARCH_VALUE_H
#define HAPPN_SEARCH_VALUE_H

#include "base/arena.h"
#include "json/scan.h"

/* In the order that sorting gives them. */
enum value_type { VALUE_MISSING, VALUE_NULL, VALUE_NUMBER, VALUE_STRING, VALUE_BOOL, VALUE_ARRAY, VALUE_OBJECT };

struct value {
    enum value_type type;
    bool boolean;
    double number;
    struct str text; /* STRING: decoded; ARRAY, OBJECT: JSON text */
};

/* Of validated JSON text; unset is MISSING. Texts with escapes are decoded into the arena (ptr NULL: out of memory, and it
 * equals nothing). */
struct value value_of(struct arena *arena, struct str json);
struct value value_number(double number);
struct value value_text(struct str text); /* unset is MISSING */

/* The same type and content; the order of an object's members does not count. Numbers by value. */
bool value_equals(struct arena *arena, const struct value *a, const struct value *b);

/* For $gt and the like: false when the two cannot be compared, which only two numbers and two texts can. */
bool value_compare(const struct value *a, const struct value *b, int *order);

/* For sorting: any two can be compared. */
int value_sort(struct arena *arena, const struct value *a, const struct value *b);

/* Texts in JavaScript's order: by UTF-16 units. */
int value_compare_texts(struct str a, struct str b);

#endif
