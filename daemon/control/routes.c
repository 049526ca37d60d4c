/* routes - the table of the API's paths, to be read aloud. */
#include "daemon/control/routes.h"

#include <string.h>

#define SOON 30000
/* A test mail waits for every step of an upstream; a million messages are changed in slices, or
 * copied. */
#define LONG (15 * 60 * 1000)

#define READ_CHANGE_REMOVE (ROUTE_GET | ROUTE_PATCH | ROUTE_DELETE)

/* clang-format off */
static const struct route routes[] = {
	/* pattern                      methods                    owner          answer           in    body   query of GET, and of DELETE */
	{"/v1/lists",                    ROUTE_GET | ROUTE_POST,     ROLE_ACCOUNTS, ANSWER_AS_IS,    SOON, true,  "limit after profile", NULL},
	{"/v1/lists/*",                  READ_CHANGE_REMOVE,         ROLE_ACCOUNTS, ANSWER_AS_IS,    SOON, true,  "", NULL},
	{"/v1/users",                    ROUTE_GET | ROUTE_POST,     ROLE_ACCOUNTS, ANSWER_AS_IS,    SOON, true,  "limit after list profile", NULL},
	{"/v1/users/*",                  READ_CHANGE_REMOVE,         ROLE_ACCOUNTS, ANSWER_USER,     SOON, true,  "", NULL},
	{"/v1/users/*/reset-password",   ROUTE_POST,                 ROLE_ACCOUNTS, ANSWER_AS_IS,    SOON, true,  "", NULL},
	{"/v1/profiles",                 ROUTE_GET | ROUTE_POST,     ROLE_ACCOUNTS, ANSWER_PROFILES, SOON, true,  "limit after", NULL},
	{"/v1/profiles/*",               READ_CHANGE_REMOVE,         ROLE_ACCOUNTS, ANSWER_PROFILE,  SOON, true,  "", "anyway"},
	{"/v1/providers",                ROUTE_GET,                  ROLE_ACCOUNTS, ANSWER_AS_IS,    SOON, false, "limit after", NULL},
	{"/v1/providers/*",              ROUTE_GET,                  ROLE_ACCOUNTS, ANSWER_AS_IS,    SOON, false, "", NULL},
	{"/v1/profiles/*/default",       ROUTE_POST,                 ROLE_ACCOUNTS, ANSWER_AS_IS,    SOON, false, "", NULL},
	{"/v1/profiles/*/pause",         ROUTE_POST,                 ROLE_ACCOUNTS, ANSWER_AS_IS,    SOON, false, "", NULL},
	{"/v1/profiles/*/resume",        ROUTE_POST,                 ROLE_ACCOUNTS, ANSWER_AS_IS,    SOON, false, "", NULL},
	{"/v1/profiles/*/test",          ROUTE_POST,                 ROLE_RELAY,    ANSWER_AS_IS,    LONG, true,  "", NULL},
	{"/v1/explain",                  ROUTE_GET,                  ROLE_ACCOUNTS, ANSWER_EXPLAIN,  SOON, false, "user from to", NULL},
	{"/v1/profiles/*/login",         ROUTE_GET | ROUTE_POST,     ROLE_RELAY,    ANSWER_AS_IS,    LONG, false, "", NULL},
	{"/v1/tokens",                   ROUTE_GET,                  ROLE_RELAY,    ANSWER_AS_IS,    SOON, false, "", NULL},
	{"/v1/alerts",                   ROUTE_GET,                  ROLE_ACCOUNTS, ANSWER_AS_IS,    SOON, false, "limit after unacknowledged", NULL},
	{"/v1/alerts/ack",               ROUTE_POST,                 ROLE_ACCOUNTS, ANSWER_AS_IS,    SOON, false, "", NULL},
	{"/v1/alerts/*/ack",             ROUTE_POST,                 ROLE_ACCOUNTS, ANSWER_AS_IS,    SOON, false, "", NULL},
	{"/v1/clients",                  ROUTE_GET,                  ROLE_ACCOUNTS, ANSWER_AS_IS,    SOON, false, "limit after", NULL},
	{"/v1/clients/*/forgive",        ROUTE_POST,                 ROLE_ACCOUNTS, ANSWER_AS_IS,    SOON, false, "", NULL},
	{"/v1/messages",                 ROUTE_GET,                  ROLE_QUEUE,    ANSWER_AS_IS,    SOON, false, "list user profile state limit after", NULL},
	{"/v1/messages/hold",            ROUTE_POST,                 ROLE_QUEUE,    ANSWER_AS_IS,    LONG, true,  "", NULL},
	{"/v1/messages/release",         ROUTE_POST,                 ROLE_QUEUE,    ANSWER_AS_IS,    LONG, true,  "", NULL},
	{"/v1/messages/retry",           ROUTE_POST,                 ROLE_QUEUE,    ANSWER_AS_IS,    LONG, true,  "", NULL},
	{"/v1/messages/remove",          ROUTE_POST,                 ROLE_QUEUE,    ANSWER_AS_IS,    LONG, true,  "", NULL},
	{"/v1/messages/*",               ROUTE_GET | ROUTE_DELETE,   ROLE_QUEUE,    ANSWER_AS_IS,    SOON, false, "", NULL},
	{"/v1/messages/*/schedule",      ROUTE_POST,                 ROLE_QUEUE,    ANSWER_AS_IS,    SOON, true,  "", NULL},
	{"/v1/messages/*/recipients",    ROUTE_GET,                  ROLE_QUEUE,    ANSWER_AS_IS,    SOON, false, "after", NULL},
	{"/v1/messages/*/body",          ROUTE_GET,                  ROLE_QUEUE,    ANSWER_AS_IS,    SOON, false, "offset", NULL},
	{"/v1/backups/*",                ROUTE_POST,                 ROLE_QUEUE,    ANSWER_BACKUP,   LONG, false, "", NULL},
	{"/v1/queue/check",              ROUTE_POST,                 ROLE_QUEUE,    ANSWER_AS_IS,    LONG, false, "", NULL},
	{"/v1/queue",                    ROUTE_GET,                  ROLE_QUEUE,    ANSWER_AS_IS,    SOON, false, "", NULL},
	{"/v1/track",                    ROUTE_GET,                  ROLE_QUEUE,    ANSWER_AS_IS,    SOON, false, "to from message_id user list id since until limit skip transcript", NULL},
	{"/v1/stats",                    ROUTE_GET,                  ROLE_QUEUE,    ANSWER_AS_IS,    SOON, false, "list user profile since until by", NULL},
	{"/v1/status",                   ROUTE_GET,                  ROLE_PARENT,   ANSWER_STATUS,   SOON, false, "", NULL},
	{"/v1/reload",                   ROUTE_POST,                 ROLE_PARENT,   ANSWER_AS_IS,    SOON, false, "", NULL},
	{"/v1/stop",                     ROUTE_POST,                 ROLE_PARENT,   ANSWER_AS_IS,    SOON, false, "", NULL},
	{"/v1/tls/ca",                   ROUTE_GET,                  ROLE_PARENT,   ANSWER_AS_IS,    SOON, false, "", NULL},
};

static const struct {
	enum route_method method;
	const char *name;
} methods[] = {
	{ROUTE_GET,    "GET"},
	{ROUTE_POST,   "POST"},
	{ROUTE_PATCH,  "PATCH"},
	{ROUTE_PUT,    "PUT"},
	{ROUTE_DELETE, "DELETE"},
};
/* clang-format on */

static bool
is_match(const char *pattern, const char *path)
{
	while (*pattern != '\0') {
		if (*pattern == '*') {
			size_t segment = strcspn(path, "/?#");

			if (segment == 0)
				return false;
			path += segment;
		} else if (*pattern != *path++) {
			return false;
		}
		pattern++;
	}
	return *path == '\0' || *path == '?' || *path == '#';
}

static unsigned
method_bit(const char *name)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(methods[i].name, name) == 0)
			return methods[i].method;
	return 0;
}

/* A literal row stands above the row with `*` that would match too: the first match whose method
 * fits is the one. */
enum route_outcome
route_find(const char *method, const char *target, const struct route **route_out)
{
	unsigned bit = method_bit(method);

	*route_out = NULL;
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (!is_match(routes[i].pattern, target))
			continue;
		if (*route_out == NULL)
			*route_out = &routes[i];
		if ((routes[i].methods & bit) != 0) {
			*route_out = &routes[i];
			return ROUTE_FOUND;
		}
	}
	return *route_out == NULL ? ROUTE_NO_PATH : ROUTE_NO_METHOD;
}

const char *
route_allow(const struct route *route, char buffer[static ROUTE_ALLOW_SIZE])
{
	char *at = buffer;

	*at = '\0';
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if ((route->methods & methods[i].method) == 0)
			continue;
		if (at != buffer)
			at = stpcpy(at, ", ");
		at = stpcpy(at, methods[i].name);
	}
	return buffer;
}
