#include "imap/criteria.h"
#include "base/utf8.h"
#include "mailbox/mailbox.h"
#include "message/charset.h"

#define ROOM_FIRST 16
#define TEXT_MAX   (IMAP_STRING_MAX * 4) /* of a text in UTF-8 */
#define DAY        86400

/* How the arguments of a key are written and what becomes of them. */
enum form {
    PLAIN,
    FLAG,
    NOT_FLAG,
    OLD,
    FIELD,
    HEADER,
    TEXT,
    DATE,
    NUMBER,
    KEYWORD,
    NOT_KEYWORD,
    UIDS,
    MODSEQ,
    NOT,
    OR,
};

struct key {
    struct slice name;
    enum form form;
    enum imap_key key;
    uint8_t flag;
};

static const struct key keys[] = {
    {{"ALL", 3}, PLAIN, IMAP_KEY_ALL, 0},
    {{"ANSWERED", 8}, FLAG, IMAP_KEY_FLAG, MAILBOX_ANSWERED},
    {{"BCC", 3}, FIELD, IMAP_KEY_HEADER, 0},
    {{"BEFORE", 6}, DATE, IMAP_KEY_BEFORE, 0},
    {{"BODY", 4}, TEXT, IMAP_KEY_BODY, 0},
    {{"CC", 2}, FIELD, IMAP_KEY_HEADER, 0},
    {{"DELETED", 7}, FLAG, IMAP_KEY_FLAG, MAILBOX_DELETED},
    {{"DRAFT", 5}, FLAG, IMAP_KEY_FLAG, MAILBOX_DRAFT},
    {{"FLAGGED", 7}, FLAG, IMAP_KEY_FLAG, MAILBOX_FLAGGED},
    {{"FROM", 4}, FIELD, IMAP_KEY_HEADER, 0},
    {{"HEADER", 6}, HEADER, IMAP_KEY_HEADER, 0},
    {{"KEYWORD", 7}, KEYWORD, IMAP_KEY_KEYWORD, 0},
    {{"LARGER", 6}, NUMBER, IMAP_KEY_LARGER, 0},
    {{"MODSEQ", 6}, MODSEQ, IMAP_KEY_MODSEQ, 0},
    {{"NEW", 3}, PLAIN, IMAP_KEY_NEW, 0},
    {{"NOT", 3}, NOT, IMAP_KEY_NOT, 0},
    {{"OLD", 3}, OLD, IMAP_KEY_RECENT, 0},
    {{"ON", 2}, DATE, IMAP_KEY_ON, 0},
    {{"OR", 2}, OR, IMAP_KEY_OR, 0},
    {{"RECENT", 6}, PLAIN, IMAP_KEY_RECENT, 0},
    {{"SEEN", 4}, FLAG, IMAP_KEY_FLAG, MAILBOX_SEEN},
    {{"SENTBEFORE", 10}, DATE, IMAP_KEY_SENT_BEFORE, 0},
    {{"SENTON", 6}, DATE, IMAP_KEY_SENT_ON, 0},
    {{"SENTSINCE", 9}, DATE, IMAP_KEY_SENT_SINCE, 0},
    {{"SINCE", 5}, DATE, IMAP_KEY_SINCE, 0},
    {{"SMALLER", 7}, NUMBER, IMAP_KEY_SMALLER, 0},
    {{"SUBJECT", 7}, FIELD, IMAP_KEY_HEADER, 0},
    {{"TEXT", 4}, TEXT, IMAP_KEY_TEXT, 0},
    {{"TO", 2}, FIELD, IMAP_KEY_HEADER, 0},
    {{"UID", 3}, UIDS, IMAP_KEY_UID, 0},
    {{"UNANSWERED", 10}, NOT_FLAG, IMAP_KEY_FLAG, MAILBOX_ANSWERED},
    {{"UNDELETED", 9}, NOT_FLAG, IMAP_KEY_FLAG, MAILBOX_DELETED},
    {{"UNDRAFT", 7}, NOT_FLAG, IMAP_KEY_FLAG, MAILBOX_DRAFT},
    {{"UNFLAGGED", 9}, NOT_FLAG, IMAP_KEY_FLAG, MAILBOX_FLAGGED},
    {{"UNKEYWORD", 9}, NOT_KEYWORD, IMAP_KEY_KEYWORD, 0},
    {{"UNSEEN", 6}, NOT_FLAG, IMAP_KEY_FLAG, MAILBOX_SEEN},
};

/* A node whose operands are still being read. */
struct open {
    uint32_t node, last; /* its last child so far */
    uint32_t left;       /* operands to come; LIST: until the parenthesis or the end */
};
#define LIST UINT32_MAX

struct parser {
    struct imap_lex *l;
    struct imap_criteria *criteria;
    struct slice charset; /* p NULL: UTF-8 */
    struct open *stack;   /* as deep as there are nodes; no recursion */
    uint32_t depth, parens, room;
};

/* ---- the tree ---- */

static bool grow(struct parser *p)
{
    uint32_t n = p->criteria->n, room = p->room ? p->room * 2 : ROOM_FIRST;
    struct imap_node *nodes = arena_array(p->l->arena, struct imap_node, room);
    struct open *stack = arena_array(p->l->arena, struct open, room);
    if (!nodes || !stack)
        return imap_lex_fault(p->l, "the command is too large");
    if (n) {
        memcpy(nodes, p->criteria->nodes, n * sizeof *nodes);
        memcpy(stack, p->stack, p->depth * sizeof *stack);
    }
    p->criteria->nodes = nodes;
    p->stack = stack;
    p->room = room;
    return true;
}

/* A new child of the node that is open; NULL: too many, l->why. Valid until the next one. */
static struct imap_node *add(struct parser *p, enum imap_key key)
{
    struct imap_criteria *c = p->criteria;
    if (c->n == IMAP_NODES_MAX) {
        p->l->why = "more than 1,000 search keys";
        return NULL;
    }
    if (c->n == p->room && !grow(p))
        return NULL;
    uint32_t index = c->n++;
    struct imap_node *node = &c->nodes[index];
    *node = (struct imap_node){.key = key, .child = IMAP_NODE_NONE, .next = IMAP_NODE_NONE};
    if (p->depth) {
        struct open *top = &p->stack[p->depth - 1];
        if (top->last == IMAP_NODE_NONE)
            c->nodes[top->node].child = index;
        else
            c->nodes[top->last].next = index;
        top->last = index;
    }
    return node;
}

/* The same, and what follows are its operands. */
static bool add_open(struct parser *p, enum imap_key key, uint32_t operands)
{
    if (!add(p, key))
        return false;
    p->stack[p->depth++] = (struct open){p->criteria->n - 1, IMAP_NODE_NONE, operands};
    return true;
}

/* A key is whole: so are the operators that waited for it. */
static void completed(struct parser *p)
{
    while (p->depth && p->stack[p->depth - 1].left != LIST && !--p->stack[p->depth - 1].left)
        p->depth--;
}

static bool open_or(struct parser *p)
{
    struct open *top = &p->stack[p->depth - 1];
    /* OR a OR b c is one OR of three: however long the row, it is not deep */
    if (top->left == 1 && p->criteria->nodes[top->node].key == IMAP_KEY_OR) {
        top->left = 2;
        return true;
    }
    return add_open(p, IMAP_KEY_OR, 2);
}

/* ---- arguments of keys ---- */

static bool take_text(struct parser *p, struct slice *text)
{
    struct slice raw;
    if (!imap_lex_space(p->l) || !imap_lex_astring(p->l, &raw))
        return false;
    *text = raw;
    if (p->criteria->bad_charset)
        return true;
    if (!p->charset.p)
        return utf8_valid(raw) || imap_lex_fault(p->l, "a search text is not valid UTF-8");
    struct buffer utf8;
    buffer_init(&utf8, TEXT_MAX);
    bool converted = charset_to_utf8(p->charset, raw, &utf8);
    if (converted)
        *text = arena_copy(p->l->arena, buffer_slice(&utf8));
    buffer_finish(&utf8);
    return (converted && text->p) || imap_lex_fault(p->l, "the command is too large");
}

static bool take_day(struct imap_lex *l, int64_t *day)
{
    struct date date;
    if (!imap_lex_space(l) || !imap_lex_day(l, &date))
        return false;
    int64_t seconds = date_to_unix(&date); /* a whole day */
    *day = seconds / DAY;
    return true;
}

/* `MODSEQ ["/flags/name" all] 12`. We keep one MODSEQ a message, so that the entry is ignored
 * (RFC 7162 §3.1.5). */
static bool take_modseq(struct parser *p, uint64_t *modseq)
{
    struct imap_lex *l = p->l;
    struct slice entry;
    if (!imap_lex_space(l))
        return false;
    if (imap_lex_peek(l) == '"') {
        if (!imap_lex_string(l, &entry) || !imap_lex_space(l))
            return false;
        if (!slice_starts_nocase(entry, S("/flags/")) || entry.n == sizeof "/flags/" - 1)
            return imap_lex_fault(l, "an entry name is like \"/flags/\\\\seen\"");
        if (!imap_lex_word(l, S("all")) && !imap_lex_word(l, S("priv")) &&
            !imap_lex_word(l, S("shared")))
            return imap_lex_fault(l, "behind the entry name stands all, priv or shared");
        if (!imap_lex_space(l))
            return false;
    }
    p->criteria->modseq = true;
    return imap_lex_number64(l, modseq);
}

/* The node of a key and what stands behind its name. */
static bool take_leaf(struct parser *p, const struct key *key)
{
    struct imap_lex *l = p->l;
    bool negated = key->form == NOT_FLAG || key->form == NOT_KEYWORD || key->form == OLD;
    if (negated && !add_open(p, IMAP_KEY_NOT, 1))
        return false;
    struct imap_node *node = add(p, key->key);
    if (!node)
        return false;
    node->flag = key->flag;
    switch (key->form) {
    case FIELD:
        node->name = key->name;
        return take_text(p, &node->text);
    case HEADER:
        return imap_lex_space(l) && imap_lex_astring(l, &node->name) && take_text(p, &node->text);
    case TEXT:
        return take_text(p, &node->text);
    case DATE:
        return take_day(l, &node->day);
    case NUMBER:
        return imap_lex_space(l) && imap_lex_number64(l, &node->number);
    case KEYWORD:
    case NOT_KEYWORD:
        return imap_lex_space(l) && imap_lex_atom(l, &node->text);
    case UIDS:
        return imap_lex_space(l) && imap_lex_set(l, &node->set);
    case MODSEQ:
        return take_modseq(p, &node->number);
    default:
        return true;
    }
}

static const struct key *find_key(struct slice name)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (slice_eq_nocase(keys[i].name, name))
            return &keys[i];
    return NULL;
}

enum step { STEP_BAD, STEP_WHOLE, STEP_OPERAND };

/* A key, or what stands in front of its operands. */
static enum step take_key(struct parser *p)
{
    struct imap_lex *l = p->l;
    struct slice name;
    int c = imap_lex_peek(l);
    if (c == '(') {
        if (p->parens == IMAP_DEPTH_MAX) {
            l->why = "parentheses are more than 100 deep";
            return STEP_BAD;
        }
        p->parens++;
        l->at++;
        return add_open(p, IMAP_KEY_AND, LIST) ? STEP_OPERAND : STEP_BAD;
    }
    if (c == '*' || (c >= '0' && c <= '9')) {
        struct imap_node *node = add(p, IMAP_KEY_SEQUENCE);
        return node && imap_lex_set(l, &node->set) ? STEP_WHOLE : STEP_BAD;
    }
    if (!imap_lex_atom(l, &name))
        return STEP_BAD;
    const struct key *key = find_key(name);
    if (!key) {
        l->why = "an unknown search key";
        return STEP_BAD;
    }
    if (key->form == NOT || key->form == OR) {
        bool opened = key->form == OR ? open_or(p) : add_open(p, IMAP_KEY_NOT, 1);
        return opened && imap_lex_space(l) ? STEP_OPERAND : STEP_BAD;
    }
    return take_leaf(p, key) ? STEP_WHOLE : STEP_BAD;
}

/* Behind a whole key: closes what is closed here. False: l->why. *done: that was all. */
static bool take_behind(struct parser *p, bool *done)
{
    for (;;) {
        completed(p);
        const struct open *top = &p->stack[p->depth - 1];
        *done = p->depth == 1 && imap_lex_end(p->l);
        if (*done)
            return true;
        if (p->depth == 1 || top->left != LIST || imap_lex_peek(p->l) != ')')
            return imap_lex_space(p->l);
        p->l->at++;
        p->parens--;
        p->depth--;
    }
}

static bool take_program(struct parser *p)
{
    bool done = false;
    if (!add_open(p, IMAP_KEY_AND, LIST))
        return false;
    while (!done) {
        enum step step = take_key(p);
        if (step == STEP_BAD || (step == STEP_WHOLE && !take_behind(p, &done)))
            return false;
    }
    return true;
}

/* ---- what stands before the keys ---- */

/* `(MIN COUNT)` */
static bool take_returns(struct imap_lex *l, struct imap_criteria *c)
{
    static const struct {
        struct slice name;
        unsigned option;
    } options[] = {
        {{"MIN", 3}, IMAP_RETURN_MIN},
        {{"MAX", 3}, IMAP_RETURN_MAX},
        {{"ALL", 3}, IMAP_RETURN_ALL},
        {{"COUNT", 5}, IMAP_RETURN_COUNT},
    };
    if (!imap_lex_space(l) || !imap_lex_char(l, '('))
        return false;
    c->extended = true;
    if (imap_lex_peek(l) == ')') {
        c->returns = IMAP_RETURN_ALL; /* RFC 4731 §3.1 */
        return imap_lex_char(l, ')');
    }
    do {
        unsigned option = 0;
        for (size_t i = 0; i < sizeof options / sizeof *options && !option; i++)
            if (imap_lex_word(l, options[i].name))
                option = options[i].option;
        if (!option)
            return imap_lex_fault(l, "an unknown RETURN option");
        c->returns |= option;
    } while (imap_lex_more(l));
    return imap_lex_char(l, ')');
}

bool imap_criteria_parse(struct imap_lex *l, struct imap_criteria *criteria)
{
    struct parser p = {.l = l, .criteria = criteria};
    *criteria = (struct imap_criteria){0};
    if (!imap_lex_space(l))
        return false;
    if (imap_lex_word(l, S("RETURN")) && (!take_returns(l, criteria) || !imap_lex_space(l)))
        return false;
    if (imap_lex_word(l, S("CHARSET"))) {
        if (!imap_lex_space(l) || !imap_lex_astring(l, &p.charset) || !imap_lex_space(l))
            return false;
        criteria->bad_charset = !charset_known(p.charset);
        if (slice_eq_nocase(p.charset, S("UTF-8")) || slice_eq_nocase(p.charset, S("US-ASCII")))
            p.charset = (struct slice){NULL, 0};
    }
    return take_program(&p);
}
