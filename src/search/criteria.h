/* Criteria: compiled once, matched often. */
#ifndef HAPPN_SEARCH_CRITERIA_H
#define HAPPN_SEARCH_CRITERIA_H

#include "search/field.h"
#include "search/regex.h"

enum operator {
    OP_AND, OP_OR, OP_NOR, OP_NOT, /* of the conditions in `first` */
    OP_EQ, OP_NE, OP_GT, OP_GTE, OP_LT, OP_LTE, OP_IN, OP_NIN, OP_EXISTS, OP_REGEX, OP_SIZE, OP_ELEM_MATCH, OP_ALL, OP_MOD, OP_TYPE
};

/* One condition. Those with a field ask for its values; OP_NOT with a field too, its `first` have the same one. */
struct condition {
    enum operator op;
    bool is_element;       /* inside $elemMatch: operators on the element itself */
    struct field field;
    struct value operand;
    struct value *list;    /* IN, NIN, ALL, and MOD's two numbers */
    size_t count;
    struct regex *regex;
    struct condition *first, *next;
};

enum { CRITERIA_MAX_DEPTH = 32, CRITERIA_MAX_CONDITIONS = 1000, CRITERIA_MAX_LIST = 100000 };

/* json is a validated text that lives as long as the arena. The result is an OP_AND. */
happn_status criteria_compile(struct arena *arena, struct str json, struct condition **out, happn_error *error);

/* What matching needs; of one thread. status is not OK after a match that could not be finished. */
struct search_work {
    struct arena scratch;
    struct regex_work *regex;
    happn_status status;
    happn_error error;
    struct {
        const char *data;       /* NULL: nothing is known */
        const struct str *name;
        struct str value;
    } last; /* the member that was looked for last: {"n": {"$gte": 1, "$lt": 5}} asks for it twice */
};

bool criteria_match(const struct condition *condition, const struct document *document, struct search_work *work);

#endif
