/*
 * fuzz_sasl - exchanges of every mechanism, as a client and a broken smtpd could play them
 *
 * An octet says what comes next (see play_step()), one how long its token is, then the token. So
 * that the fuzzer gets behind the first step, there is also a real client that knows the
 * password; its words may be damaged on the way. Whoever gets in without the password, or as
 * somebody else, is a finding, as is a step without an answer.
 */
#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/accounts/db_rows.h"
#include "daemon/accounts/sasl.h"
#include "daemon/accounts/user.h"
#include "daemon/accounts/user_secret.h"
#include "daemon/accounts/userlist.h"
#include "daemon/accounts/verifier.h"
#include "daemon/core/loop.h"

#include <gsasl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define PASSWORD "pencil"
#define EXCHANGES 2
#define DERIVATIONS_MAX 2 /* they are slow, and all alike */
#define TURNS_MAX 1000

static const char *const mechanisms[] = {
    "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "CRAM-MD5", "LOGIN", "PLAIN"};
static const uint8_t key_bytes[32] = {1}, exporter[TLS_EXPORTER_SIZE] = {2}, unique[12] = {3};
static const struct msg_bytes seal_key = {key_bytes, sizeof(key_bytes)};

static struct {
	struct loop *loop;
	struct db *db;
	struct sasl *sasl;
	struct link *near, *far;
	Gsasl *library;
} house;

/* One exchange as smtpd and the client see it. */
struct side {
	Gsasl_session *client;
	struct buf challenge;
	bool is_answered;
};

static struct side sides[EXCHANGES];
static bool may_get_in;

/* ---- the accounts role ---- */

static uint32_t
on_attempt(const struct sasl_attempt *attempt, void *ctx)
{
	ensure(!attempt->is_good || (may_get_in && strcmp(attempt->login, "Bob") == 0));
	return 0;
}

static void
add_bob(void)
{
	static char shop[] = "shop", bob[] = "Bob";
	struct userlist list = {.name = shop};
	struct verifier verifier = {.rounds = 1};
	struct user user;
	struct buf text;
	struct err err;

	verifier_derive(&verifier, PASSWORD);
	buf_init(&text);
	verifier_format(&verifier, &text);
	user_init(&user);
	user.login = bob;
	user.list = shop;
	user.verifier = text.bytes;
	ensure(user_secret_seal(&user, seal_key, PASSWORD, &err) == 0);
	ensure(db_insert(house.db, &userlist_table, &list, &err) == 0);
	ensure(db_insert(house.db, &user_table, &user, &err) == 0);
	free(user.secret);
	buf_fini(&text);
}

static void
on_message(struct link *link, const struct link_message *message, void *ctx)
{
	if (message->kind == MSG_SASL_STEP)
		sasl_step(house.sasl, link, message->request_id, &message->body->sasl_step);
}

static void
on_closed(struct link *link, const char *reason, void *ctx)
{
	ensure(link == NULL);
}

static void
open_house(void)
{
	static const struct link_callbacks callbacks = {on_message, on_closed};
	struct sasl_parts parts = {.mechanisms = "SCRAM-SHA-256-PLUS SCRAM-SHA-256 LOGIN PLAIN "
						 "CRAM-MD5",
	    .seal_key = &seal_key,
	    .on_attempt = on_attempt};
	static const struct config config = {.limits = {.connections_per_user = 1000}};
	struct err err;
	int fds[2];

	log_set_level(LOG_ERROR);
	house.loop = loop_new();
	ensure(db_open(":memory:", &house.db, &err) == 0);
	add_bob();
	parts.loop = house.loop;
	parts.db = house.db;
	parts.pool = pool_new(house.loop, 1, 4);
	parts.presence = presence_new(house.loop, &config);
	parts.grants = grants_new(house.db, parts.presence, UNAUTHORIZED_BLOCK);
	ensure(sasl_new(&parts, &house.sasl, &err) == 0);
	ensure(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	house.near = link_open(house.loop, fds[0], ROLE_ACCOUNTS, ROLE_SMTPD, 0, &callbacks, NULL);
	house.far = link_open(house.loop, fds[1], ROLE_SMTPD, ROLE_ACCOUNTS, 0, &callbacks, NULL);
	ensure(gsasl_init(&house.library) == GSASL_OK);
}

/* ---- steps ---- */

static void
on_answer(const union message *answer, void *ctx)
{
	struct side *side = ctx;

	side->is_answered = true;
	if (answer == NULL || answer->sasl_reply.outcome != SASL_CONTINUE)
		return;
	buf_clear(&side->challenge);
	buf_append(&side->challenge, answer->sasl_reply.token.at, answer->sasl_reply.token.size);
	buf_char(&side->challenge, '\0');
}

static void
send_step(struct side *side, struct msg_sasl_step *step)
{
	step->exchange = (uint64_t)(side - sides) + 1;
	step->client = "192.0.2.1:1234";
	side->is_answered = false;
	(void)link_request(house.far, MSG_SASL_STEP, step, 60000, on_answer, side);
	for (int turn = 0; !side->is_answered; turn++) {
		ensure(turn < TURNS_MAX);
		loop_turn(house.loop, 100);
	}
}

static Gsasl_session *
start_client(const char *mechanism)
{
	/* The bindings in base64. */
	static const char exporter_text[] = "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
	Gsasl_session *client;

	ensure(gsasl_client_start(house.library, mechanism, &client) == GSASL_OK);
	(void)gsasl_property_set(client, GSASL_AUTHID, "bob");
	(void)gsasl_property_set(client, GSASL_PASSWORD, PASSWORD);
	if (strcmp(mechanism, mechanisms[0]) == 0)
		(void)gsasl_property_set(client, GSASL_CB_TLS_EXPORTER, exporter_text);
	return client;
}

/* The client that knows the password says what comes next. */
static void
play_client(struct side *side, struct msg_sasl_step *step, size_t choice, bool is_damaged)
{
	const char *challenge = side->challenge.bytes == NULL ? "" : side->challenge.bytes;
	char *words = NULL;
	size_t size = 0;
	int rc;

	may_get_in = true;
	if (side->client == NULL) {
		step->mechanism = mechanisms[choice % 5];
		step->is_first = true;
		side->client = start_client(step->mechanism);
		if (choice % 5 == 2 || choice % 5 == 3) { /* the server is first */
			send_step(side, step);
			return;
		}
		challenge = "";
	}
	rc = gsasl_step(side->client, challenge, strlen(challenge), &words, &size);
	if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE)
		step->is_abort = true;
	if (is_damaged && size > 0)
		words[choice % size] ^= (char)(1 + choice % 255);
	step->has_token = true;
	step->token = (struct msg_bytes){(const uint8_t *)words, (uint32_t)size};
	send_step(side, step);
	gsasl_free(words);
}

/*
 * Bits of `what`:	0-2	0 to 4: begin with that mechanism; 5: go on; 6: abort; 7: the client
 *			3	there is a token
 *			4	the connection has bindings
 *			5	damage the client's words; otherwise tls-unique as well
 *			6	which exchange
 */
static void
play_step(uint8_t what, const uint8_t *token, size_t size)
{
	struct side *side = &sides[what >> 6 & 1];
	struct msg_sasl_step step = {.mechanism = ""};

	if (what & 16)
		step.exporter = (struct msg_bytes){exporter, sizeof(exporter)};
	if ((what & 48) == 16)
		step.unique = (struct msg_bytes){unique, sizeof(unique)};
	if ((what & 7) == 7) {
		play_client(side, &step, size > 0 ? token[0] : 0, (what & 32) != 0);
		return;
	}
	step.is_first = (what & 7) < 5;
	step.is_abort = (what & 7) == 6;
	if (step.is_first)
		step.mechanism = mechanisms[what & 7];
	step.has_token = (what & 8) != 0 || size > 0;
	step.token = (struct msg_bytes){token, (uint32_t)size};
	send_step(side, &step);
}

static void
end_exchanges(void)
{
	sasl_forget_link(house.sasl, house.near);
	for (size_t i = 0; i < EXCHANGES; i++) {
		if (sides[i].client != NULL)
			gsasl_finish(sides[i].client);
		buf_fini(&sides[i].challenge);
		sides[i] = (struct side){0};
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	uint64_t derived;

	if (house.loop == NULL)
		open_house();
	may_get_in = memmem(bytes, size, PASSWORD, strlen(PASSWORD)) != NULL;
	derived = sasl_derivations(house.sasl);
	while (size >= 2 && sasl_derivations(house.sasl) - derived < DERIVATIONS_MAX) {
		size_t length = bytes[0] & 128 ? (size_t)bytes[1] * 16 : bytes[1];

		if (length > size - 2)
			length = size - 2;
		play_step(bytes[0], bytes + 2, length);
		bytes += 2 + length;
		size -= 2 + length;
	}
	end_exchanges();
	return 0;
}
