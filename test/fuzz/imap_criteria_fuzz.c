/* SEARCH: what is taken is a tree in which every node but the root is the child of one before it.
 */
#include "base/utf8.h"
#include "imap/criteria.h"
#include "message_fuzz.h"

static void check_tree(const struct imap_criteria *c)
{
    static uint8_t seen[IMAP_NODES_MAX];
    memset(seen, 0, sizeof seen);
    CHECK(c->n >= 2 && c->n <= IMAP_NODES_MAX && c->nodes[0].key == IMAP_KEY_AND);
    for (uint32_t i = 0; i < c->n; i++) {
        const struct imap_node *node = &c->nodes[i];
        unsigned children = 0;
        for (uint32_t k = node->child; k != IMAP_NODE_NONE; k = c->nodes[k].next) {
            CHECK(k > i && k < c->n && !seen[k]);
            seen[k] = 1;
            children++;
        }
        CHECK(i == 0 || seen[i]);
        bool inner =
            node->key == IMAP_KEY_AND || node->key == IMAP_KEY_OR || node->key == IMAP_KEY_NOT;
        CHECK(inner == (children > 0));
        CHECK(node->key != IMAP_KEY_NOT || children == 1);
        CHECK(node->key != IMAP_KEY_OR || children >= 2);
        CHECK(c->bad_charset || utf8_valid(node->text));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena arena;
    struct imap_criteria criteria;
    arena_init(&arena, 8 << 20);
    struct imap_lex l = imap_lex(slice(data, n), &arena);
    bool taken = imap_criteria_parse(&l, &criteria);
    CHECK(l.at <= n && (taken ? imap_lex_end(&l) : l.why != NULL));
    if (taken)
        check_tree(&criteria);
    arena_reset(&arena);
    return 0;
}
