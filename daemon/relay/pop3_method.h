/*
 * pop3_method - how one logs in to a POP3 server, and APOP's arithmetic
 *
 * Owns     nothing
 * Context  pure
 */
#ifndef POSTERN_RELAY_POP3_METHOD_H
#define POSTERN_RELAY_POP3_METHOD_H

#include "daemon/relay/auth_method.h"

#include <stdbool.h>

enum pop3_auth {
	POP3_AUTH_NONE,  /* connects, and says QUIT */
	POP3_AUTH_LOGIN, /* USER and PASS */
	POP3_AUTH_APOP,
	POP3_AUTH_SASL /* AUTH (RFC 5034) */
};

struct pop3_method {
	enum pop3_auth auth;
	enum auth_method mechanism; /* of POP3_AUTH_SASL */
};

/* The method of a profile's `pop3_auth`; false if there is none of this name. */
bool pop3_method_find(const char *name, struct pop3_method *method_out);
/* For people: USER/PASS, APOP, CRAM-MD5 …; "" for none. */
const char *pop3_method_name(const struct pop3_method *method);

#define POP3_STAMP_SIZE 256
/* Copies the timestamp of a greeting (RFC 1939 section 7), `<…@…>`, if it is a message id as RFC 5322
 * has it. Others are refused: with ids of any bytes a server can find a password letter by letter
 * (CVE-2007-1558). */
bool pop3_find_stamp(const char *greeting, char stamp_out[static POP3_STAMP_SIZE]);

#define POP3_DIGEST_SIZE 33
/* The digest that APOP says, in hex. */
void pop3_digest(const char *stamp, const char *password, char digest_out[static POP3_DIGEST_SIZE]);

#endif
