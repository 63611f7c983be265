/* A list in order that finds a place in few steps: documents in memory stand in one by their paths, and in one more for each index.
 *
 * A node ends with its tower, an array of pointers to the next node on each level, as many as skip_list_draw said when the node was made. A kind of list says
 * where in a node the tower is and how a node compares with a place. The functions are inline and kinds are constants, so a search costs what one
 * written for that kind of node would. Nodes belong to whoever made them; nothing here takes memory, so nothing fails. */
#ifndef HAPPN_STORE_SKIP_LIST_H
#define HAPPN_STORE_SKIP_LIST_H

#include <stddef.h>
#include <stdint.h>

enum { SKIP_LIST_HEIGHT = 20 };

struct skip_list {
    void *heads[SKIP_LIST_HEIGHT]; /* zero: empty; heads[0] is the first node */
};

struct skip_list_kind {
    size_t tower;                                        /* where in a node: offsetof */
    int (*order)(const void *node, const void *place);   /* negative: the node stands before the place */
};

/* Where the pointers stand that lead to a place, one a level. */
struct skip_list_links {
    void **at[SKIP_LIST_HEIGHT];
};

/* How high a new node's tower is: each level is kept by one in four. *random is never 0. */
static inline int skip_list_draw(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    int height = 1;
    for (uint64_t bits = *random; (bits & 3) == 0 && height < SKIP_LIST_HEIGHT; bits >>= 2) {
        height++;
    }
    return height;
}

/* The first node that does not stand before the place, or NULL. `links`, unless NULL, are what leads there. */
static inline void *skip_list_seek(struct skip_list *list, const struct skip_list_kind *kind, const void *place, struct skip_list_links *links)
{
    void **tower = list->heads;
    for (int level = SKIP_LIST_HEIGHT - 1; level >= 0; level--) {
        while (tower[level] != NULL && kind->order(tower[level], place) < 0) {
            tower = (void **)((char *)tower[level] + kind->tower);
        }
        if (links != NULL) {
            links->at[level] = &tower[level];
        }
    }
    return tower[0];
}

/* `place` is the node's own. */
static inline void skip_list_add(struct skip_list *list, const struct skip_list_kind *kind, void *node, int height, const void *place)
{
    struct skip_list_links links;
    void **tower = (void **)((char *)node + kind->tower);
    skip_list_seek(list, kind, place, &links);
    for (int level = 0; level < height; level++) {
        tower[level] = *links.at[level];
        *links.at[level] = node;
    }
}

/* The node is in the list, and no other one at its place. */
static inline void skip_list_remove(struct skip_list *list, const struct skip_list_kind *kind, void *node, int height, const void *place)
{
    struct skip_list_links links;
    void **tower = (void **)((char *)node + kind->tower);
    skip_list_seek(list, kind, place, &links);
    for (int level = 0; level < height; level++) {
        *links.at[level] = tower[level];
    }
}

#endif
