/*
 * sender_rules - a user's authorized domains and senders, as an operator writes them
 *
 * Owns     the items, until sender_rules_fini()
 * Fails    -1 and *err_out, which names the item and what is allowed; nothing is left to free
 *
 * Items are separated by `;` or `,`. They come out in the form that is compared: domains as
 * A-labels, all in lower case, each once, in the order in which they were written.
 */
#ifndef POSTERN_COMMON_SENDER_RULES_H
#define POSTERN_COMMON_SENDER_RULES_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

#define SENDER_RULES_MAX 1000 /* as many as a grant can carry */

struct sender_rules {
	char **items;
	size_t count;
};

/* `example.com`, or `*.example.com` for every domain below it. */
int sender_rules_parse_domains(
    const char *text, struct sender_rules *rules_out, struct err *err_out);
/* `a@example.com`, or `*` for any sender. */
int sender_rules_parse_senders(
    const char *text, struct sender_rules *rules_out, struct err *err_out);
void sender_rules_fini(struct sender_rules *rules);

/* Whether an address (its normal form) may be used under these rules. Both empty: any may. */
bool sender_rules_allow(
    const struct sender_rules *domains, const struct sender_rules *senders, const char *address);
/* The rule that lets it; "" when there are none at all, NULL: none does. */
const char *sender_rules_deciding(
    const struct sender_rules *domains, const struct sender_rules *senders, const char *address);
/* Whether these rules restrict at all. */
bool sender_rules_allow_any(const struct sender_rules *domains, const struct sender_rules *senders);

#endif
