#include "base/list.h"
#include "unit/unit.h"

struct item {
    int value;
    struct list node;
};

static int value_of(struct list *node)
{
    return list_entry(node, struct item, node)->value;
}

static void order_and_removal(void **state)
{
    struct list head = LIST_INIT(head);
    struct item items[3] = {{.value = 1}, {.value = 2}, {.value = 3}};
    assert_true(list_empty(&head));
    assert_null(list_pop_front(&head));
    list_push_back(&head, &items[1].node);
    list_push_back(&head, &items[2].node);
    list_push_front(&head, &items[0].node);
    int wanted = 1;
    list_for(&head, node) assert_int_equal(value_of(node), wanted++);
    assert_int_equal(wanted, 4);
    list_remove(&items[1].node);
    assert_true(list_empty(&items[1].node));
    list_remove(&items[1].node);
    assert_int_equal(value_of(list_pop_front(&head)), 1);
    assert_int_equal(value_of(list_pop_front(&head)), 3);
    assert_true(list_empty(&head));
}

static void the_safe_loop_may_remove_each(void **state)
{
    struct list head = LIST_INIT(head);
    struct item items[5];
    for (int i = 0; i < 5; i++) {
        items[i].value = i;
        list_push_back(&head, &items[i].node);
    }
    int sum = 0;
    list_for_safe(&head, node)
    {
        sum += value_of(node);
        list_remove(node);
    }
    assert_int_equal(sum, 10);
    assert_true(list_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_and_removal),
        cmocka_unit_test(the_safe_loop_may_remove_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
