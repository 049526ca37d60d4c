/*
 * smtp_verb - a command line's verb and argument, and the parameters of MAIL and RCPT
 *
 * Owns     nothing: pieces point into the caller's line
 * Units    octets
 * Fails    an outcome other than SMTP_PARAMETERS_OK, and *err_out as a sentence for the reply
 */
#ifndef POSTERN_COMMON_SMTP_VERB_H
#define POSTERN_COMMON_SMTP_VERB_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SMTP_VERB_SIZE 16

struct smtp_verb {
	char name[SMTP_VERB_SIZE]; /* upper case; "" when the line begins with no word that fits */
	const char *argument;      /* without the blanks around it */
	size_t argument_length;
};

/* False when the line has a control character: it's refused whatever the verb is. */
bool smtp_verb_split(const char *line, size_t length, struct smtp_verb *verb_out);

/* Drops `FROM:` or `TO:`, in any case, from the argument. False when it isn't there. */
bool smtp_verb_drop_keyword(struct smtp_verb *verb, const char *keyword);

enum smtp_body { SMTP_BODY_UNSAID, SMTP_BODY_7BIT, SMTP_BODY_8BITMIME };

struct smtp_mail_parameters {
	bool has_size;
	uint64_t size_bytes; /* RFC 1870; too large a number is UINT64_MAX */
	enum smtp_body body; /* RFC 6152 */
};

enum smtp_parameters_outcome {
	SMTP_PARAMETERS_OK,
	SMTP_PARAMETERS_MALFORMED, /* 501 5.5.4, also when one comes twice */
	SMTP_PARAMETERS_UNKNOWN    /* 555 5.5.4 */
};

/* What stands behind the path. AUTH= (RFC 4954 5) is checked and, as from any client that isn't a
 * trusted server, not passed on. */
enum smtp_parameters_outcome smtp_verb_parse_mail(const char *text, size_t length,
    struct smtp_mail_parameters *parameters_out, struct err *err_out);
/* RCPT has none that are offered. */
enum smtp_parameters_outcome smtp_verb_parse_rcpt(
    const char *text, size_t length, struct err *err_out);

#endif
