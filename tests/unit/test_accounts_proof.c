/* Mechanisms that prove a password instead of showing it, with libgsasl's client at the far end. */
#include "accounts_fixture.h"

#include "common/xalloc.h"

#include <gsasl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ALL "SCRAM-SHA-256-PLUS SCRAM-SHA-256 LOGIN PLAIN CRAM-MD5"
#define PLUS "SCRAM-SHA-256-PLUS"
#define SCRAM "SCRAM-SHA-256"
#define CRAM "CRAM-MD5"

static struct fixture fixture;
static Gsasl *library;
static uint64_t exchanges;
static struct buf attempts;

static const uint8_t binding[32] = {1, 2, 3}, other_binding[32] = {9};
static const uint8_t unique[12] = {7, 7}, other_unique[12] = {8};
static const char unique_text[] = "BwcAAAAAAAAAAAAA";
static const char binding_text[] = "AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

static uint32_t
on_attempt(const struct sasl_attempt *attempt, void *ctx)
{
	buf_printf(&attempts, "%s %s %s %s%s\n", attempt->is_good ? "good" : "bad",
	    attempt->mechanism, attempt->login, attempt->client,
	    attempt->guess != 0 ? " guess" : "");
	return 0;
}

static int
set_up(void **state)
{
	fixture.on_attempt = on_attempt;
	fixture_open(&fixture);
	fixture_set_mechanisms(&fixture, ALL);
	fixture_must(&fixture, 201, "POST", "/v1/lists", "{\"name\":\"shop\"}");
	fixture_must(&fixture, 201, "POST", "/v1/users",
	    "{\"login\":\"Bob\",\"list\":\"shop\",\"password\":\"pencil\"}");
	fixture_must(&fixture, 201, "POST", "/v1/users",
	    "{\"login\":\"off\",\"list\":\"shop\",\"password\":\"pencil\",\"active\":false}");
	assert_int_equal(gsasl_init(&library), GSASL_OK);
	buf_init(&attempts);
	return 0;
}

static int
tear_down(void **state)
{
	gsasl_done(library);
	buf_fini(&attempts);
	fixture_close(&fixture);
	return 0;
}

static void
expect_attempts(const char *expected)
{
	assert_string_equal(attempts.bytes == NULL ? "" : attempts.bytes, expected);
	buf_clear(&attempts);
}

/* ---- a client ---- */

#define BY(what, who, with) .mechanism = (what), .login = (who), .password = (with)
#define BOUND .client_binding = binding_text, .binding = binding

struct login {
	const char *mechanism, *login, *password;
	const char *client_binding; /* base64 */
	const uint8_t *binding;     /* smtpd's */
	const char *authorization;
	const char *client_unique; /* base64 */
	const uint8_t *unique;     /* smtpd's */
};

static Gsasl_session *
start_client(const struct login *login)
{
	Gsasl_session *session;

	assert_int_equal(gsasl_client_start(library, login->mechanism, &session), GSASL_OK);
	(void)gsasl_property_set(session, GSASL_AUTHID, login->login);
	(void)gsasl_property_set(session, GSASL_PASSWORD, login->password);
	if (login->client_binding != NULL)
		(void)gsasl_property_set(session, GSASL_CB_TLS_EXPORTER, login->client_binding);
	if (login->client_unique != NULL)
		(void)gsasl_property_set(session, GSASL_CB_TLS_UNIQUE, login->client_unique);
	if (login->authorization != NULL)
		(void)gsasl_property_set(session, GSASL_AUTHZID, login->authorization);
	return session;
}

/* What the peer heard, and it's forgotten. The caller frees it. */
static char *
take_heard(struct peer *peer)
{
	char *text;

	for (int turn = 0; turn < 2000; turn++) {
		if (peer->count > 0 && strstr(peer->heard.bytes, "sasl ") != NULL)
			break;
		loop_turn(fixture.loop, 10);
	}
	text = xstrdup(peer->heard.bytes == NULL ? "" : peer->heard.bytes);
	peer_forget(peer);
	return text;
}

/* The challenge in what was heard, cut off; NULL if it isn't one. */
static char *
challenge_in(char *heard)
{
	char *token = strstr(heard, " token=");

	if (strstr(heard, "sasl continue") == NULL || token == NULL)
		return NULL;
	token += strlen(" token=");
	token[strcspn(token, "\n")] = '\0';
	return token;
}

/* Plays to the end; the last answer. */
static char *
log_in(const struct login *login)
{
	Gsasl_session *client = start_client(login);
	struct step step = {.exchange = ++exchanges,
	    .mechanism = login->mechanism,
	    .binding = login->binding,
	    .unique = login->unique};
	char *heard, *challenge;

	peer_step(&fixture.smtpd, &step);
	while ((challenge = challenge_in(heard = take_heard(&fixture.smtpd))) != NULL) {
		char *output = NULL;
		size_t size = 0;
		int rc = gsasl_step(client, challenge, strlen(challenge), &output, &size);

		step.mechanism = NULL;
		step.is_abort = rc != GSASL_OK && rc != GSASL_NEEDS_MORE;
		step.token = output == NULL ? "" : output;
		step.token_size = size;
		peer_step(&fixture.smtpd, &step);
		gsasl_free(output);
		free(heard);
	}
	gsasl_finish(client);
	return heard;
}

static void
expect_login(const struct login *login, const char *says)
{
	char *heard = log_in(login);

	if (strstr(heard, says) == NULL)
		fail_msg("not \"%s\" in: %s", says, heard);
	free(heard);
}

static void
expect_step(const struct step *step, const char *says)
{
	char *heard;

	peer_step(&fixture.smtpd, step);
	heard = take_heard(&fixture.smtpd);
	if (strstr(heard, says) == NULL)
		fail_msg("not \"%s\" in: %s", says, heard);
	free(heard);
}

/* ---- SCRAM and CRAM-MD5 ---- */

static void
test_proofs(void **state)
{
	static const struct {
		const char *name;
		struct login login;
		const char *says;
	} rows[] = {
	    {"good", {BY(SCRAM, "Bob", "pencil")}, "sasl done user=1 credential=1 login=Bob"},
	    {"case of the login", {BY(SCRAM, "bOB", "pencil")}, "sasl done"},
	    {"wrong", {BY(SCRAM, "Bob", "pen")}, "sasl failed user=0 credential=0 login=Bob"},
	    {"unknown", {BY(SCRAM, "eve", "pencil")}, "sasl failed user=0 credential=0 login=eve"},
	    {"inactive", {BY(SCRAM, "off", "pencil")}, "sasl failed"},
	    {"authzid is the login", {BY(SCRAM, "Bob", "pencil"), .authorization = "bob"},
		"sasl done"},
	    {"authzid is another", {BY(SCRAM, "Bob", "pencil"), .authorization = "eve"},
		"sasl failed"},
	    {"bound", {BY(PLUS, "Bob", "pencil"), BOUND}, "sasl done user=1"},
	    {"bound, wrong", {BY(PLUS, "Bob", "pen"), BOUND}, "sasl failed"},
	    {"bound, unknown", {BY(PLUS, "eve", "pencil"), BOUND}, "sasl failed"},
	    {"man in the middle",
		{BY(PLUS, "Bob", "pencil"), .client_binding = binding_text,
		    .binding = other_binding},
		"sasl failed"},
	    {"bound as before TLS 1.3",
		{BY(PLUS, "Bob", "pencil"), .client_unique = unique_text, .unique = unique,
		    .binding = binding},
		"sasl done user=1"},
	    {"man in the middle, before TLS 1.3",
		{BY(PLUS, "Bob", "pencil"), .client_unique = unique_text, .unique = other_unique,
		    .binding = binding},
		"sasl failed"},
	    {"no such binding in TLS 1.3",
		{BY(PLUS, "Bob", "pencil"), .client_unique = unique_text, .binding = binding},
		"sasl unsupported"},
	    {"nothing to bind to", {BY(PLUS, "Bob", "pencil"), .client_binding = binding_text},
		"sasl unsupported"},
	    {"client without binding", {BY(SCRAM, "Bob", "pencil"), .binding = binding},
		"sasl done"},
	    {"CRAM", {BY(CRAM, "Bob", "pencil")}, "sasl done user=1 credential=1 login=Bob"},
	    {"CRAM, wrong", {BY(CRAM, "Bob", "pen")}, "sasl failed user=0 credential=0 login=Bob"},
	    {"CRAM, unknown", {BY(CRAM, "eve", "pencil")}, "sasl failed"},
	    {"CRAM, inactive", {BY(CRAM, "off", "pencil")}, "sasl failed"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].name);
		expect_login(&rows[i].login, rows[i].says);
	}
}

/* Flag `y`: "I could bind, but you can't, I'm told." That's a lie while PLUS is offered. */
static void
test_downgrade(void **state)
{
	struct step step = {.mechanism = SCRAM, .token = "y,,n=Bob,r=1"};

	step.exchange = ++exchanges;
	expect_step(&step, "sasl continue");
	step.exchange = ++exchanges;
	step.binding = binding;
	expect_step(&step, "sasl failed user=0 credential=0 login= reason");
	/* a binding that we don't have */
	step.exchange = ++exchanges;
	step.mechanism = PLUS;
	step.token = "p=tls-server-end-point,,n=Bob,r=1";
	expect_step(&step, "sasl unsupported");
	step.exchange = ++exchanges;
	step.token = "p=tls-unique,,n=Bob,r=1"; /* there is none with TLS 1.3 */
	expect_step(&step, "sasl unsupported");
	expect_attempts("");
	step.exchange = ++exchanges;
	step.token = "n,,n=Bob,r=1";
	expect_step(&step, "sasl failed user=0 credential=0 login= reason");

	fixture_set_mechanisms(&fixture, SCRAM);
	step = (struct step){.exchange = ++exchanges,
	    .mechanism = SCRAM,
	    .token = "y,,n=Bob,r=1",
	    .binding = binding};
	expect_step(&step, "sasl continue");
	step.exchange = ++exchanges;
	step.mechanism = PLUS;
	expect_step(&step, "sasl unsupported");
	step.exchange = ++exchanges;
	step.mechanism = CRAM;
	expect_step(&step, "sasl unsupported");
}

/* However a password is typed (composed or not, wide or not), it's one password everywhere. */
static void
test_password_beyond_ascii_is_one_password(void **state)
{
	static const char *const forms[] = {"P\xc3\xa4ss 1",
	    "Pa\xcc\x88ss\xc2\xa0"
	    "1",
	    NULL};
	static const char *const mechanisms[] = {SCRAM, CRAM, "PLAIN", "LOGIN", NULL};

	fixture_must(&fixture, 200, "POST", "/v1/users/Bob/reset-password",
	    "{\"password\":\"Pa\xcc\x88ss \xef\xbc\x91\"}");
	for (const char *const *form = forms; *form != NULL; form++)
		for (const char *const *mechanism = mechanisms; *mechanism != NULL; mechanism++) {
			print_message("%s %s\n", *mechanism, *form);
			expect_login(&(struct login){BY(*mechanism, "Bob", *form)},
			    "sasl done user=1 credential=2");
		}
}

/* ---- what a guesser can see ---- */

/* The first answer to a login: its salt and rounds. The caller frees it. */
static char *
first_answer(const char *login)
{
	char *hello = xasprintf("n,,n=%s,r=abc", login), *heard, *answer, *salt;
	struct step step = {.exchange = ++exchanges, .mechanism = SCRAM, .token = hello};

	peer_step(&fixture.smtpd, &step);
	heard = take_heard(&fixture.smtpd);
	answer = challenge_in(heard);
	assert_non_null(answer);
	assert_memory_equal(answer, "r=abc", 5);
	salt = strstr(answer, ",s=");
	assert_non_null(salt);
	salt = xstrdup(salt);
	free(heard);
	free(hello);
	return salt;
}

static void
test_unknown_login_has_a_salt_that_stays(void **state)
{
	unsigned few = 0, many = 0;

	for (unsigned i = 0; i < 32; i++) {
		char *login = xasprintf("User%u", i), *lower = xasprintf("user%u", i);
		char *first = first_answer(login), *again = first_answer(lower);

		assert_string_equal(first, again);
		few += strstr(first, "==,i=4096") != NULL;
		many += strstr(first, "==,i=16384") != NULL;
		free(login);
		free(lower);
		free(first);
		free(again);
	}
	/* as users with generated and with chosen passwords have it */
	assert_int_equal(few + many, 32);
	assert_true(few > 4 && many > 4);
}

static void
test_unknown_and_inactive_users_cost_the_same(void **state)
{
	static const char *const logins[] = {"Bob", "off", "eve", NULL};
	static const struct {
		const char *mechanism;
		unsigned derivations;
	} rows[] = {{"PLAIN", 1}, {"LOGIN", 1}, {SCRAM, 0}, {CRAM, 0}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (const char *const *login = logins; *login != NULL; login++) {
			uint64_t before = sasl_derivations(fixture.parts.sasl);

			expect_login(
			    &(struct login){BY(rows[i].mechanism, *login, "wrong")}, "sasl failed");
			assert_int_equal(
			    sasl_derivations(fixture.parts.sasl) - before, rows[i].derivations);
		}
	/* the right password of a user that is switched off */
	expect_login(&(struct login){BY("PLAIN", "off", "pencil")}, "sasl failed");
	assert_int_equal(sasl_derivations(fixture.parts.sasl), 7);
}

static void
test_attempts_are_told_once_each(void **state)
{
	expect_login(&(struct login){BY(SCRAM, "bob", "pencil")}, "sasl done");
	expect_attempts("good SCRAM-SHA-256 Bob 192.0.2.1:1234\n");
	expect_login(&(struct login){BY(SCRAM, "bob", "x")}, "sasl failed");
	expect_login(&(struct login){BY(CRAM, "bob", "x")}, "sasl failed");
	expect_login(&(struct login){BY("PLAIN", "bob", "x")}, "sasl failed");
	expect_login(&(struct login){BY("LOGIN", "bob", "x")}, "sasl failed");
	expect_attempts("bad SCRAM-SHA-256 bob 192.0.2.1:1234\n"
			"bad CRAM-MD5 bob 192.0.2.1:1234\n"
			"bad PLAIN bob 192.0.2.1:1234 guess\n"
			"bad LOGIN bob 192.0.2.1:1234 guess\n");
	/* no guess: not offered, a binding that isn't taken */
	expect_login(&(struct login){BY(PLUS, "Bob", "x"), .client_binding = binding_text},
	    "sasl unsupported");
	expect_step(&(struct step){.exchange = ++exchanges,
			.mechanism = SCRAM,
			.token = "y,,n=Bob,r=1",
			.binding = binding},
	    "reason");
	expect_attempts("");
}

/* One guess looks the same in every mechanism that shows it, and unlike any other. */
static void
test_guess_is_known_again(void **state)
{
	char *plain = log_in(&(struct login){BY("PLAIN", "bob", "x")});
	char *login = log_in(&(struct login){BY("LOGIN", "Bob", "x")});
	char *other = log_in(&(struct login){BY("LOGIN", "Bob", "y")});
	char *guesses[3] = {
	    strstr(plain, "guess="), strstr(login, "guess="), strstr(other, "guess=")};

	assert_string_equal(guesses[0], guesses[1]);
	assert_string_not_equal(guesses[0], guesses[2]);
	assert_string_not_equal(guesses[0], "guess=0\n");
	free(plain);
	free(login);
	free(other);
}

/* ---- what goes wrong ---- */

static void
test_malformed(void **state)
{
	char *large = xcalloc(1, 4000);

	memset(large, 'x', 3999);
	expect_step(
	    &(struct step){.exchange = 1, .mechanism = SCRAM, .token = ""}, "sasl malformed");
	expect_step(
	    &(struct step){.exchange = 2, .mechanism = SCRAM, .token = "x"}, "sasl malformed");
	expect_step(
	    &(struct step){.exchange = 3, .mechanism = SCRAM, .token = large}, "sasl malformed");
	expect_step(
	    &(struct step){.exchange = 4, .mechanism = CRAM, .token = "Bob 0"}, "sasl malformed");
	expect_step(&(struct step){.exchange = 5, .mechanism = SCRAM}, "sasl continue");
	expect_step(&(struct step){.exchange = 5, .token = ""}, "sasl malformed");
	expect_step(&(struct step){.exchange = 6, .mechanism = CRAM}, "sasl continue");
	expect_step(&(struct step){.exchange = 6, .token = ""}, "sasl malformed");
	expect_step(&(struct step){.exchange = 7, .mechanism = SCRAM, .token = "n,,n=Bob,r=1"},
	    "sasl continue");
	expect_step(&(struct step){.exchange = 7, .token = "c=biws,r=1,p=!"}, "sasl malformed");
	expect_step(&(struct step){.exchange = 8, .mechanism = SCRAM, .token = "n,,n=Bob,r=1"},
	    "sasl continue");
	expect_step(&(struct step){.exchange = 8,
			.token = "c=biws,r=1,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},
	    "sasl failed");
	free(large);
}

/* A client up to where it has shown its proof and has seen ours: `last` is its last word. */
static void
expect_end(const char *reset, const char *last, const char *says)
{
	const struct login login = {BY(SCRAM, "Bob", "pencil")};
	Gsasl_session *client = start_client(&login);
	struct step step = {.exchange = ++exchanges, .mechanism = SCRAM};
	char *heard, *output;

	for (int turn = 0; turn < 3; turn++) {
		peer_step(&fixture.smtpd, &step);
		heard = take_heard(&fixture.smtpd);
		assert_non_null(challenge_in(heard));
		if (turn < 2)
			(void)gsasl_step(client, challenge_in(heard), strlen(challenge_in(heard)),
			    &output, &step.token_size);
		step.mechanism = NULL;
		if (turn > 0)
			gsasl_free((char *)(uintptr_t)step.token);
		step.token = output;
		free(heard);
	}
	gsasl_finish(client);
	if (reset != NULL)
		fixture_must(&fixture, 200, "POST", "/v1/users/Bob/reset-password", reset);
	expect_step(&(struct step){.exchange = exchanges, .token = last}, says);
}

static void
test_end_of_a_proof(void **state)
{
	expect_end(NULL, "", "sasl done");
	expect_end(NULL, "x", "sasl malformed");
	/* the password is changed between proof and end */
	expect_end("{\"password\":\"pen\"}", "", "sasl failed");
}

/* ---- secrets ---- */

static bool
has_secret(const char *login)
{
	char *path = xasprintf("/v1/users/%s", login);
	json_t *user = fixture_call(&fixture, "GET", path, NULL);
	json_t *field = json_object_get(user, "cram_md5");
	bool has = json_is_true(field);

	assert_non_null(field);
	assert_null(json_object_get(user, "secret"));
	json_decref(user);
	free(path);
	return has;
}

static void
test_user_from_before_cram_md5_has_no_secret(void **state)
{
	fixture_set_mechanisms(&fixture, "PLAIN");
	fixture_must(&fixture, 201, "POST", "/v1/users",
	    "{\"login\":\"old\",\"list\":\"shop\",\"password\":\"pencil\"}");
	fixture_set_mechanisms(&fixture, ALL);
	assert_false(has_secret("old"));
	expect_login(&(struct login){BY(CRAM, "old", "pencil")}, "sasl failed");
	expect_login(&(struct login){BY(SCRAM, "old", "pencil")}, "sasl done");
	fixture_must(
	    &fixture, 200, "POST", "/v1/users/old/reset-password", "{\"password\":\"new\"}");
	assert_true(has_secret("old"));
	expect_login(&(struct login){BY(CRAM, "old", "new")}, "sasl done");
}

static void
test_secrets_go_with_the_mechanism(void **state)
{
	json_t *user;

	assert_true(has_secret("Bob"));
	fixture_set_mechanisms(&fixture, "SCRAM-SHA-256 PLAIN");
	user = fixture_call(&fixture, "GET", "/v1/users/Bob", NULL);
	assert_null(json_object_get(user, "cram_md5"));
	json_decref(user);
	fixture_set_mechanisms(&fixture, ALL);
	assert_false(has_secret("Bob"));
	expect_login(&(struct login){BY(CRAM, "Bob", "pencil")}, "sasl failed");
	expect_login(&(struct login){BY(SCRAM, "Bob", "pencil")}, "sasl done");
}

/* Our own trouble is never the client's: 454, not 535. */
static void
test_lost_seal_key_is_temporary(void **state)
{
	fixture.parts.seal_key.size = 0;
	expect_login(&(struct login){BY(CRAM, "Bob", "pencil")}, "sasl temporary");
	expect_login(&(struct login){BY(CRAM, "eve", "pencil")}, "sasl temporary");
	expect_login(&(struct login){BY(SCRAM, "Bob", "pencil")}, "sasl done");
	fixture_must(&fixture, 503, "POST", "/v1/users/Bob/reset-password", NULL);
}

static void
test_broken_database_is_temporary(void **state)
{
	struct err err;

	assert_true(db_run(fixture.parts.db, "DROP TABLE user", NULL, 0, NULL, NULL, &err) >= 0);
	expect_login(&(struct login){BY(SCRAM, "Bob", "pencil")}, "sasl temporary");
	expect_login(&(struct login){BY(CRAM, "Bob", "pencil")}, "sasl temporary");
	expect_attempts("");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_proofs),
	    TEST(test_downgrade),
	    TEST(test_password_beyond_ascii_is_one_password),
	    TEST(test_unknown_login_has_a_salt_that_stays),
	    TEST(test_unknown_and_inactive_users_cost_the_same),
	    TEST(test_attempts_are_told_once_each),
	    TEST(test_guess_is_known_again),
	    TEST(test_malformed),
	    TEST(test_end_of_a_proof),
	    TEST(test_user_from_before_cram_md5_has_no_secret),
	    TEST(test_secrets_go_with_the_mechanism),
	    TEST(test_lost_seal_key_is_temporary),
	    TEST(test_broken_database_is_temporary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
