/* The skip list against a list in order that is as simple as it can be. */
#include "vectors.h"

#include <string.h>

#include "store/skip_list.h"

enum { NUMBERS = 500, TURNS = 200000, DRAWS = 400000 };

struct node {
    int number, height;
    void *forward[SKIP_LIST_HEIGHT];
};

static int order(const void *node, const void *place)
{
    int number = ((const struct node *)node)->number, wanted = *(const int *)place;
    return number < wanted ? -1 : number > wanted;
}

static const struct skip_list_kind by_number = {offsetof(struct node, forward), order};

static struct skip_list list;
static struct node nodes[NUMBERS];
static bool is_in[NUMBERS];

static int first_from(int number)
{
    while (number < NUMBERS && !is_in[number]) {
        number++;
    }
    return number;
}

static void seek_agrees(int place)
{
    const struct node *node = skip_list_seek(&list, &by_number, &place, NULL);
    int wanted = first_from(place);
    assert_int_equal(node != NULL ? node->number : NUMBERS, wanted);
}

/* On every level the order is right, and each node is on as many as its height says. */
static void levels_agree(void)
{
    for (int level = 0; level < SKIP_LIST_HEIGHT; level++) {
        const struct node *node = list.heads[level];
        for (int number = 0; number < NUMBERS; number++) {
            if (is_in[number] && nodes[number].height > level) {
                assert_ptr_equal(node, &nodes[number]);
                node = node->forward[level];
            }
        }
        assert_null(node);
    }
}

static void a_model_agrees(void **state)
{
    (void)state;
    uint64_t random = vectors_seed(), heights = random;
    for (int turn = 0; turn < TURNS; turn++) {
        int number = (int)(vectors_draw(&random) % NUMBERS);
        struct node *node = &nodes[number];
        if (is_in[number]) {
            skip_list_remove(&list, &by_number, node, node->height, &number);
            memset(node, 0xee, sizeof *node); /* whoever still looks at it finds nonsense */
        } else {
            *node = (struct node){.number = number, .height = skip_list_draw(&heights)};
            skip_list_add(&list, &by_number, node, node->height, &number);
        }
        is_in[number] = !is_in[number];
        seek_agrees((int)(vectors_draw(&random) % (NUMBERS + 1)));
        if (turn % 1000 == 0) {
            levels_agree();
        }
    }
}

static void one_in_four_is_higher(void **state)
{
    (void)state;
    int of_height[SKIP_LIST_HEIGHT + 1] = {0};
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < DRAWS; i++) {
        int height = skip_list_draw(&random);
        assert_in_range(height, 1, SKIP_LIST_HEIGHT);
        of_height[height]++;
    }
    for (int height = 1, left = DRAWS; height < 6; height++) {
        int wanted = left * 3 / 4;
        assert_in_range(of_height[height], wanted - wanted / 10, wanted + wanted / 10);
        left -= of_height[height];
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_agrees),
        cmocka_unit_test(one_in_four_is_higher),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
