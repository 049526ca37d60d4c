/*
 * reply_rules - the rules of conf/replies.conf: which replies of an upstream mean what
 *
 * Owns     its rules; shared by counting
 * Context  one thread; pure
 * Units    seconds
 * Fails    -1 and *err_out as `FILE:LINE: what is wrong and what is allowed`
 *
 * A file of an operator's stands before the rules that are built in, which are made from
 * conf/replies.conf when postern is built. The first rule that fits decides.
 *
 * Replies come from strangers: their text is REPLY_TEXT_MAX bytes at the most, and patterns, which
 * come from an operator, may use nothing that takes more than the product of both lengths.
 */
#ifndef POSTERN_CONFIG_REPLY_RULES_H
#define POSTERN_CONFIG_REPLY_RULES_H

#include "common/err.h"
#include "daemon/config/reply_class.h"

#include <stddef.h>

#define REPLY_FILE_BYTES_MAX (256u * 1024)
#define REPLY_RULES_MAX 500 /* of a file */
#define REPLY_RULE_ID_SIZE 48
#define REPLY_TEXT_MAX 1000

struct reply_rules;

/* What is known of a rule that fits. Lives as long as its rules. */
struct reply_rule {
	char id[REPLY_RULE_ID_SIZE];
	enum reply_class class;
	struct reply_wait wait;
	bool is_alerted;    /* an operator is told the first time */
	const char *advice; /* what to do, in which {profile} stands for its name; "": not known */
};

struct reply_seen {
	const char *provider; /* of the profile; "": not said */
	enum phase phase;
	unsigned code;
	const char *enhanced; /* "": none */
	const char *text;     /* lines joined by a blank */
};

/* `size` 0: those that are built in, alone. `file` is for messages. */
__attribute__((warn_unused_result)) int reply_rules_parse(const char *file, const char *text,
    size_t size, struct reply_rules **rules_out, struct err *err_out);
struct reply_rules *reply_rules_hold(struct reply_rules *rules);
void reply_rules_release(struct reply_rules *rules); /* NULL is allowed */
size_t reply_rules_count(const struct reply_rules *rules);

/* The first that fits; NULL: none, or `rules` is NULL. */
const struct reply_rule *reply_rules_find(struct reply_rules *rules, const struct reply_seen *seen);

/* When the upstream says when to come back, as in `try again in 5 minutes`, `retry after Mon, 2 Mar
 * 2026 10:00:00 GMT`: how long that is, 1 s to REPLY_WAIT_MAX_S. False: it doesn't. */
bool reply_time_find(const char *text, int64_t now_ms, uint32_t *wait_s_out);

/* conf/replies.conf as it was when postern was built. */
extern const char reply_rules_builtin[];

#endif
