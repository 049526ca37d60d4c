/*
 * test_mail - the message that a profile's test sends, as a delivery: what changes mail changes it as well
 *
 * Owns     nothing; the caller drops the delivery
 * Context  loop
 */
#ifndef POSTERN_RELAY_TEST_MAIL_H
#define POSTERN_RELAY_TEST_MAIL_H

#include "daemon/relay/delivery.h"

struct test_mail {
	const struct profile *profile;
	const char *to;
	uint64_t number; /* of all tests */
	int64_t wall_ms;
	void *owner;
};

/* NULL: its addresses can't be written down in SMTP. Its end makes no report. */
struct delivery *test_mail_new(struct deliveries *mails, const struct test_mail *mail);

#endif
