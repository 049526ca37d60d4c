/*
 * pop3_reply - a line of a POP3 server, and what a refusal means
 *
 * Owns     nothing; a reply's text lies within the line
 * Context  pure
 */
#ifndef POSTERN_RELAY_POP3_REPLY_H
#define POSTERN_RELAY_POP3_REPLY_H

#include "daemon/core/values.h"

#include <stdbool.h>

enum pop3_status {
	POP3_OK,
	POP3_ERR,
	POP3_CONTINUES, /* a challenge (RFC 5034) */
	POP3_NONE       /* no POP3 at all */
};

struct pop3_reply {
	enum pop3_status status;
	const char *text; /* behind the status; of a challenge its base64 */
};

/* Reads a line without its end. */
void pop3_reply_read(const char *line, struct pop3_reply *reply_out);
/* What is wrong, by -ERR's text at a login: its response code (RFC 2449, 3206), or its words. A code that
 * isn't known, and none at all, are a refused password. */
enum attempt_outcome pop3_refusal(const char *text);
/* The last login was less than LOGIN-DELAY ago (RFC 2449 8.1.1). */
bool pop3_is_too_early(const char *text);

#endif
