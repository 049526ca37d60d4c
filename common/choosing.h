/*
 * choosing - which profile may take whose mail: what accounts and queue must answer alike
 *
 * Owns     nothing; pure functions
 * Fails    -1 and *err_out, which says what is allowed
 */
#ifndef POSTERN_COMMON_CHOOSING_H
#define POSTERN_COMMON_CHOOSING_H

#include "common/err.h"

#include <stdbool.h>

/* Who may use a profile, as an operator writes it: all, or lists and users with `;` or `,` between
 * them, "web;user:crm@office". Gives it with single `;` and without blanks; the caller frees. */
__attribute__((warn_unused_result)) int available_parse(
    const char *text, char **items_out, struct err *err_out);
/* NULL and "" are all. An empty login is that of nobody: lists count alone. Without regard to case. */
bool available_to(const char *items, const char *login, const char *list);
/* Whether the item, as "web" or "user:crm", is among them. */
bool available_names(const char *items, const char *item);

/* How a profile's own sender address goes with a message's. */
enum sender_match {
	SENDER_OTHER,
	SENDER_SAME_DOMAIN, /* exactly that domain */
	SENDER_SAME
};
/* Both in normal form; NULL and "" match nothing. */
enum sender_match sender_match(const char *own, const char *sender);
/* Behind the last @; NULL: there is none. */
const char *sender_domain(const char *address);

#endif
