/*
 * oauth_answer - reads what a token server answers (RFC 6749 5, RFC 8628 3.2)
 *
 * Owns     a result owns its texts until oauth_result_fini(), which wipes them
 * Context  pure
 * Units    seconds
 *
 * The server is as hostile as any peer: sizes, depths and characters are checked before anything is
 * used, and of its words only a cut and cleaned part reaches a reason, without our secrets.
 */
#ifndef POSTERN_RELAY_OAUTH_ANSWER_H
#define POSTERN_RELAY_OAUTH_ANSWER_H

#include "daemon/relay/http.h"
#include "daemon/relay/oauth_error.h"

#include <stdbool.h>

#define OAUTH_TOKEN_MAX 8192
#define OAUTH_REASON_SIZE 900

/* Who asked whom for what. */
struct oauth_request {
	enum oauth_grant grant;
	const char *url;        /* of the server */
	const char *profile;    /* its name, for advice */
	const char *secrets[3]; /* that the server was told; NULL or "": none */
};

struct oauth_failure {
	enum oauth_verdict verdict;
	char reason[OAUTH_REASON_SIZE]; /* the server, its words, and what to do */
	int64_t retry_after_ms;         /* 0: the server didn't say */
};

struct oauth_result {
	char *access_token;
	char *refresh_token; /* NULL: it gave none */
	int64_t life_s;
	int64_t refresh_life_s; /* 0: not known */
};

/* 0: there is a token. -1: *failure_out says why not. */
int oauth_read_token(const struct oauth_request *request, const struct http_answer *answer,
    struct oauth_result *result_out, struct oauth_failure *failure_out);
void oauth_result_fini(struct oauth_result *result);

/* What begins the login of a device. */
struct oauth_device {
	char *device_code, *user_code, *url;
	char *url_complete; /* with the code in it; NULL: none */
	int64_t life_s, interval_s;
};

int oauth_read_device(const struct oauth_request *request, const struct http_answer *answer,
    struct oauth_device *device_out, struct oauth_failure *failure_out);
void oauth_device_fini(struct oauth_device *device);

#endif
