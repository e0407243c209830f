#include "engine_test.h"
#include "task/task.h"
#include <stdio.h>

static int failures;

/* On the one task of the suite: every test below may suspend. */
static void run_all(void *arg)
{
    failures += rows_tests();
    failures += limit_tests();
    failures += write_tests();
    failures += intent_tests();
    failures += blob_tests();
    failures += watch_tests();
    failures += life_tests();
    failures += model_tests();
}

/* engine memory|harsh|lmdb [filter] */
int main(int argc, char **argv)
{
    static const char *const names[] = {"memory", "harsh", "lmdb"};
    int kind = -1;
    for (int i = 0; argc > 1 && i < 3; i++)
        if (strcmp(argv[1], names[i]) == 0)
            kind = i;
    if (kind < 0) {
        fprintf(stderr, "usage: %s memory|harsh|lmdb [filter]\n", argv[0]);
        return 2;
    }
    engine_kind = (enum engine_kind)kind;
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    struct runtime_options options = {.reactors = 2, .stacks = 256};
    if (!runtime_run(&options, run_all, NULL)) {
        perror("runtime_run");
        return 1;
    }
    return failures != 0;
}
