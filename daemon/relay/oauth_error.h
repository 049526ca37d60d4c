/*
 * oauth_error - what a token server's error means for a profile, and what to do about it
 *
 * Owns     nothing
 * Context  pure
 *
 * RFC 6749 5.2 and RFC 8628 3.5 have the codes; Microsoft puts its own number (AADSTS…) into the
 * description, Google its own words. An unknown error of a refusal (4xx) is a refusal.
 */
#ifndef POSTERN_RELAY_OAUTH_ERROR_H
#define POSTERN_RELAY_OAUTH_ERROR_H

#include "daemon/core/values.h"

#include <stdbool.h>

enum oauth_verdict {
	OAUTH_PENDING,   /* the person has not answered yet */
	OAUTH_SLOW_DOWN, /* the same, and we ask too often */
	OAUTH_LATER,
	OAUTH_REFUSED /* until somebody does something */
};

struct oauth_meaning {
	enum oauth_verdict verdict;
	const char *advice; /* what to do, as a sentence; "" if there is nothing */
	bool needs_login;   /* somebody has to log in again */
};

struct oauth_meaning oauth_error_meaning(
    enum oauth_grant grant, const char *error, const char *description);

#endif
