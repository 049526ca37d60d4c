/*
 * routes - which role owns a path of the API, and which methods the path has
 *
 * Owns     nothing: the table is constant
 * Fails    an enum says whether the path or only the method is unknown
 */
#ifndef POSTERN_CONTROL_ROUTES_H
#define POSTERN_CONTROL_ROUTES_H

#include "daemon/core/messages.h"

enum route_method {
	ROUTE_GET = 1 << 0,
	ROUTE_POST = 1 << 1,
	ROUTE_PATCH = 1 << 2,
	ROUTE_PUT = 1 << 3,
	ROUTE_DELETE = 1 << 4
};

/* How the answer to a GET is made; that to anything else is the owner's, but for a backup. */
enum route_answer {
	ANSWER_AS_IS,    /* the owner's words */
	ANSWER_STATUS,   /* parent's, with queue's counts and the profiles */
	ANSWER_PROFILES, /* accounts' array, each with its state in queue */
	ANSWER_PROFILE,  /* the same for one */
	ANSWER_EXPLAIN,  /* accounts', with how queue would take it */
	ANSWER_USER,     /* accounts', with what queue has counted */
	ANSWER_BACKUP    /* of POST: queue, accounts and parent, one after the other */
};

struct route {
	const char *pattern; /* a `*` stands for one segment of the path */
	unsigned methods;    /* enum route_method, or-ed */
	enum role owner;
	enum route_answer answer;
	int64_t deadline_ms;
	bool has_fields;             /* POST and PATCH have a body with fields */
	const char *query;           /* keys that GET may have, separated by blanks */
	const char *query_of_delete; /* likewise; NULL: none */
};

enum route_outcome { ROUTE_FOUND, ROUTE_NO_PATH, ROUTE_NO_METHOD };

/* `*route_out` is set for ROUTE_NO_METHOD too. A query behind the path is not looked at. */
enum route_outcome route_find(
    const char *method, const char *target, const struct route **route_out);

/* The route's methods as in an Allow header: `GET, POST`. */
#define ROUTE_ALLOW_SIZE 48
const char *route_allow(const struct route *route, char buffer[static ROUTE_ALLOW_SIZE]);

#endif
