/* A search: which documents, in what order, which part of them, how many. Compiled once from the options of a request;
 * afterwards it does not change, and any thread may use it. */
#ifndef HAPPN_SEARCH_SEARCH_H
#define HAPPN_SEARCH_SEARCH_H

#include "search/criteria.h"
#include "search/projection.h"
#include "search/sorting.h"

struct search;

/* Raw JSON values, unset where absent. skip and limit: 0 for none. */
struct search_text {
    struct str criteria, fields, sort;
    int64_t skip, limit;
};

/* Everything is in the arena; the texts must live as long. *out is NULL when nothing is asked for. E_ARGUMENT and E_LIMIT say
 * what is wrong, by the operator's or the option's name. */
happn_status search_compile(struct arena *arena, const struct search_text *text, struct search **out, happn_error *error);

/* The conditions every match meets; NULL when there are none. */
const struct condition *search_criteria(const struct search *search);

void search_work_init(struct search_work *work, const struct allocator *allocator);
void search_work_fini(struct search_work *work);

/* True for every document when search is NULL. Look at work->status afterwards. */
bool search_matches(const struct search *search, const struct document *document, struct search_work *work);

/* How many documents in path order are enough; SIZE_MAX: all must be seen. */
size_t search_enough(const struct search *search);
/* With a limit: how many at the top of the order must be kept, at least. SIZE_MAX: all. */
size_t search_keep(const struct search *search);

/* How many of so many are left after skip and limit. */
size_t search_window(const struct search *search, size_t total);

/* Whether each document can be projected as soon as it is found: nothing is sorted by what it loses. */
bool search_projects_at_once(const struct search *search);
/* What is asked for of a document's text, in the arena; ptr NULL: out of memory. */
struct str search_project(const struct search *search, struct str data, struct arena *arena);

/* The parts of search_arrange, for those that take turns. Whether something else than paths decides the order. */
bool search_sorts(const struct search *search);
struct sorting *search_sort_begin(const struct search *search, const struct allocator *allocator, struct document *documents, size_t count);
/* Skips and limits what is in order; returns how many are left. */
size_t search_cut(const struct search *search, bool finish, struct document *documents, size_t count);
/* Those of them that are not yet. False: out of memory. */
bool search_project_some(const struct search *search, struct arena *arena, struct document *documents, size_t count);

/* Sorts (by path when nothing else is asked for), and cuts to what search_keep says; with `finish` skips, limits and projects,
 * too. Documents are in memory of the arena. False: out of memory. */
bool search_arrange(const struct search *search, bool finish, struct arena *arena, struct document *documents, size_t *count);

/* What of `_meta` is wanted: all but what a projection leaves out. */
enum search_meta { SEARCH_CREATED = FIELD_CREATED, SEARCH_MODIFIED = FIELD_MODIFIED, SEARCH_MODIFIED_BY = FIELD_MODIFIED_BY, SEARCH_TAG = FIELD_TAG };
bool search_shows(const struct search *search, enum search_meta what);

#endif
