/*
 * smtp_parameters - what follows the path of MAIL and RCPT
 *
 * Owns     nothing: what was read is a value of fixed size
 * Units    octets, seconds; *_at_ms are wall clock
 * Fails    an outcome other than SMTP_PARAMETERS_OK, and *err_out as a sentence for the reply
 */
#ifndef POSTERN_COMMON_SMTP_PARAMETERS_H
#define POSTERN_COMMON_SMTP_PARAMETERS_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SMTP_ENVID_MAX 100  /* decoded (RFC 3461 5.4) */
#define SMTP_ENVID_SIZE 301 /* as given, each octet in three, and NUL */
#define SMTP_ORCPT_MAX 500  /* as given, with its type (RFC 3461 5.4) */
#define SMTP_PRIORITY_MAX 9 /* and as far below 0 (RFC 6710) */

enum smtp_body { SMTP_BODY_UNSAID, SMTP_BODY_7BIT, SMTP_BODY_8BITMIME };

enum smtp_ret { SMTP_RET_UNSAID, SMTP_RET_FULL, SMTP_RET_HDRS };

/* Bits of NOTIFY= */
enum smtp_notify {
	SMTP_NOTIFY_UNSAID = 0,
	SMTP_NOTIFY_NEVER = 1,
	SMTP_NOTIFY_SUCCESS = 2,
	SMTP_NOTIFY_FAILURE = 4,
	SMTP_NOTIFY_DELAY = 8
};

struct smtp_mail_parameters {
	bool has_size;
	uint64_t size_bytes;         /* RFC 1870; too large a number is UINT64_MAX */
	enum smtp_body body;         /* RFC 6152 */
	bool is_smtputf8;            /* RFC 6531 */
	enum smtp_ret ret;           /* RFC 3461 4.3 */
	char envid[SMTP_ENVID_SIZE]; /* xtext as given, "" if not (RFC 3461 4.4) */
	bool has_auth;               /* AUTH= was said, whatever its mailbox (RFC 4954 5) */
	bool requires_tls;           /* RFC 8689 */
	bool has_mt_priority;
	int mt_priority;     /* -9 to 9 (RFC 6710) */
	uint32_t hold_for_s; /* 0: not said (RFC 4865) */
	bool has_hold_until;
	int64_t hold_until_at_ms;
};

struct smtp_rcpt_parameters {
	unsigned notify;                /* enum smtp_notify, bits */
	char orcpt[SMTP_ORCPT_MAX + 1]; /* `type;xtext` as given, "" if not */
};

enum smtp_parameters_outcome {
	SMTP_PARAMETERS_OK,
	SMTP_PARAMETERS_MALFORMED, /* 501 5.5.4, also when one comes twice */
	SMTP_PARAMETERS_UNKNOWN    /* 555 5.5.4 */
};

enum smtp_parameters_outcome smtp_parameters_parse_mail(const char *text, size_t length,
    struct smtp_mail_parameters *parameters_out, struct err *err_out);
/* `is_smtputf8` as MAIL said: ORCPT= may then have UTF-8 (RFC 6533 3). */
enum smtp_parameters_outcome smtp_parameters_parse_rcpt(const char *text, size_t length,
    bool is_smtputf8, struct smtp_rcpt_parameters *parameters_out, struct err *err_out);

#endif
