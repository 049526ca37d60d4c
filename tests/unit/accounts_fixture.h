/*
 * accounts_fixture - the accounts role's parts on a loop of their own, with the other roles played
 * by the test at the far ends of real links
 */
#ifndef POSTERN_TESTS_ACCOUNTS_FIXTURE_H
#define POSTERN_TESTS_ACCOUNTS_FIXTURE_H

#include "common/buf.h"
#include "daemon/accounts/api.h"
#include "daemon/accounts/parts.h"
#include "daemon/core/loop.h"
#include "tests/lib/scratch.h"

#include <jansson.h>

/* One other role: what it was sent, as lines of text. */
struct peer {
	struct fixture *fixture;
	struct link *near, *far; /* near is the accounts role's end */
	struct buf heard;
	unsigned count; /* of lines */
};

struct fixture {
	char directory[SCRATCH_SIZE];
	struct loop *loop;
	struct config config;
	struct parts parts;
	struct api *api;
	struct peer smtpd, other_smtpd, queue, relay, control;
	unsigned status; /* of the last call() */
	/* What queue says of any profile's mail; with is_mute nothing. */
	struct msg_waiting waiting;
	bool is_mute;
	void (*on_asked)(struct fixture *fixture); /* before it says so, or NULL */
	/* Set before fixture_open(), or NULL; ctx is the fixture. */
	uint32_t (*on_attempt)(const struct sasl_attempt *attempt, void *ctx);
	const char *presets; /* the text of providers.conf; borrowed */
};

/* A new, empty accounts.db. */
void fixture_open(struct fixture *fixture);
/* As a reload does; borrowed. */
void fixture_set_mechanisms(struct fixture *fixture, const char *mechanisms);
void fixture_set_presets(struct fixture *fixture, const char *text);
/* The links and the parts go, and come back; the file stays. */
void fixture_restart(struct fixture *fixture);
void fixture_close(struct fixture *fixture);

/* Turns the loop until the peer has heard so many lines in all. */
void peer_wait(struct peer *peer, unsigned count);
void peer_forget(struct peer *peer);

/* A call of the API and its answer (the caller releases it); fixture->status is HTTP's. */
json_t *fixture_call(
    struct fixture *fixture, const char *method, const char *path, const char *body);
/* The same, which must give this status. */
void fixture_must(struct fixture *fixture, unsigned status, const char *method, const char *path,
    const char *body);

/* A SASL step from a peer; its answer becomes a line. Text tokens may have \0 as a NUL. */
struct step {
	uint64_t exchange;
	const char *mechanism; /* NULL: not the first step */
	const char *token;     /* NULL: none */
	size_t token_size;     /* 0: strlen() */
	bool is_abort;
	const uint8_t *binding, *unique; /* of 32 and 12 bytes; NULL: none */
};
void peer_step(struct peer *peer, const struct step *step);

#endif
