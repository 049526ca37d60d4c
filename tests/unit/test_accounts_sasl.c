/* SASL as smtpd sees it: steps in, verdicts out, rights before them. */
#include "accounts_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct fixture fixture;

#define PLAIN(text) .mechanism = "PLAIN", .token = text, .token_size = sizeof(text) - 1

static int
set_up(void **state)
{
	fixture_open(&fixture);
	fixture_must(&fixture, 201, "POST", "/v1/lists", "{\"name\":\"shop\"}");
	fixture_must(&fixture, 201, "POST", "/v1/users",
	    "{\"login\":\"Bob\",\"list\":\"shop\",\"password\":\"pencil\"}");
	return 0;
}

static int
tear_down(void **state)
{
	fixture_close(&fixture);
	return 0;
}

static void
expect(struct peer *peer, unsigned lines, const char *says)
{
	peer_wait(peer, lines);
	if (strstr(peer->heard.bytes, says) == NULL)
		fail_msg("not \"%s\" in:\n%s", says, peer->heard.bytes);
	peer_forget(peer);
}

static void
test_plain(void **state)
{
	static const struct {
		const char *name;
		struct step step;
		unsigned lines;
		const char *says;
	} rows[] = {
	    {"good", {.exchange = 1, PLAIN("\0Bob\0pencil")}, 2,
		"\nsasl done user=1 credential=1 login=Bob"},
	    {"case of the login", {.exchange = 2, PLAIN("\0bOB\0pencil")}, 2, "login=Bob"},
	    {"authzid is the login", {.exchange = 3, PLAIN("bob\0Bob\0pencil")}, 2, "sasl done"},
	    {"authzid is another", {.exchange = 4, PLAIN("eve\0Bob\0pencil")}, 1, "sasl failed"},
	    {"wrong", {.exchange = 5, PLAIN("\0Bob\0pen")}, 1, "sasl failed user=0"},
	    {"unknown", {.exchange = 6, PLAIN("\0eve\0pencil")}, 1, "login=eve"},
	    {"forbidden bytes", {.exchange = 7, PLAIN("\0Bob\0\xff\xfe")}, 1, "sasl failed"},
	    {"no password", {.exchange = 8, PLAIN("\0Bob\0")}, 1, "sasl"},
	    {"one part", {.exchange = 9, PLAIN("Bob")}, 1, "sasl malformed"},
	    {"not offered", {.exchange = 10, .mechanism = "NTLM"}, 1, "sasl unsupported"},
	    {"not built", {.exchange = 11, .mechanism = "CRAM-MD5"}, 1, "sasl unsupported"},
	    {"half a name", {.exchange = 12, .mechanism = "PLA"}, 1, "sasl unsupported"},
	    {"lower case",
		{.exchange = 13, .mechanism = "plain", .token = "\0Bob\0pencil", .token_size = 11},
		2, "sasl done"},
	    {"no such exchange", {.exchange = 99, .token = "x"}, 1, "sasl temporary"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].name);
		peer_step(&fixture.smtpd, &rows[i].step);
		expect(&fixture.smtpd, rows[i].lines, rows[i].says);
	}
}

static void
test_grant_goes_before(void **state)
{
	peer_step(&fixture.smtpd, &(struct step){.exchange = 1, PLAIN("\0Bob\0pencil")});
	peer_wait(&fixture.smtpd, 2);
	assert_memory_equal(fixture.smtpd.heard.bytes, "grant 1 Bob active", 18);
}

static void
test_plain_in_two_steps(void **state)
{
	peer_step(&fixture.smtpd, &(struct step){.exchange = 1, .mechanism = "PLAIN"});
	expect(&fixture.smtpd, 1, "sasl continue user=0 credential=0 login= token=\n");
	peer_step(&fixture.smtpd,
	    &(struct step){.exchange = 1, .token = "\0Bob\0pencil", .token_size = 11});
	expect(&fixture.smtpd, 2, "sasl done");
}

static void
test_login(void **state)
{
	peer_step(&fixture.smtpd, &(struct step){.exchange = 1, .mechanism = "LOGIN"});
	expect(&fixture.smtpd, 1, "token=Username:\n");
	peer_step(&fixture.smtpd, &(struct step){.exchange = 1, .token = "Bob"});
	expect(&fixture.smtpd, 1, "token=Password:\n");
	peer_step(&fixture.smtpd, &(struct step){.exchange = 1, .token = "pencil"});
	expect(&fixture.smtpd, 2, "sasl done user=1");
}

static void
test_login_with_initial_response(void **state)
{
	peer_step(
	    &fixture.smtpd, &(struct step){.exchange = 1, .mechanism = "LOGIN", .token = "Bob"});
	expect(&fixture.smtpd, 1, "token=Password:\n");
	peer_step(&fixture.smtpd, &(struct step){.exchange = 1, .token = "wrong"});
	expect(&fixture.smtpd, 1, "sasl failed user=0 credential=0 login=Bob");
}

static void
test_empty_response_is_malformed_not_asked_again(void **state)
{
	peer_step(&fixture.smtpd, &(struct step){.exchange = 1, .mechanism = "PLAIN", .token = ""});
	expect(&fixture.smtpd, 1, "sasl malformed");
	peer_step(&fixture.smtpd, &(struct step){.exchange = 2, .mechanism = "PLAIN"});
	expect(&fixture.smtpd, 1, "sasl continue");
	peer_step(&fixture.smtpd, &(struct step){.exchange = 2, .token = ""});
	expect(&fixture.smtpd, 1, "sasl malformed");
	peer_step(&fixture.smtpd, &(struct step){.exchange = 3, .mechanism = "LOGIN", .token = ""});
	expect(&fixture.smtpd, 1, "sasl malformed");
}

static void
test_abort(void **state)
{
	peer_step(&fixture.smtpd, &(struct step){.exchange = 1, .mechanism = "LOGIN"});
	expect(&fixture.smtpd, 1, "sasl continue");
	peer_step(&fixture.smtpd, &(struct step){.exchange = 1, .is_abort = true});
	expect(&fixture.smtpd, 1, "sasl failed");
	peer_step(&fixture.smtpd, &(struct step){.exchange = 1, .token = "Bob"});
	expect(&fixture.smtpd, 1, "sasl temporary");
}

/* The same numbers at two smtpds are two exchanges. */
static void
test_exchanges_of_two_links(void **state)
{
	peer_step(&fixture.smtpd, &(struct step){.exchange = 1, .mechanism = "LOGIN"});
	peer_step(&fixture.other_smtpd, &(struct step){.exchange = 1, PLAIN("\0Bob\0pencil")});
	expect(&fixture.other_smtpd, 2, "sasl done");
	expect(&fixture.smtpd, 1, "Username:");
	peer_step(&fixture.smtpd, &(struct step){.exchange = 1, .token = "Bob"});
	expect(&fixture.smtpd, 1, "Password:");
}

/* A guesser fills the pool; who was good before is answered nevertheless. */
static void
test_known_password_does_not_wait_behind_guessers(void **state)
{
	peer_step(&fixture.smtpd, &(struct step){.exchange = 1, PLAIN("\0Bob\0pencil")});
	expect(&fixture.smtpd, 2, "sasl done");
	for (uint64_t i = 0; i < 40; i++)
		peer_step(&fixture.other_smtpd,
		    &(struct step){.exchange = 100 + i, PLAIN("\0Bob\0guess")});
	peer_wait(&fixture.other_smtpd, 40);
	assert_non_null(strstr(fixture.other_smtpd.heard.bytes, "sasl temporary"));
	assert_non_null(strstr(fixture.other_smtpd.heard.bytes, "sasl failed"));
	peer_forget(&fixture.other_smtpd);

	for (uint64_t i = 0; i < 40; i++)
		peer_step(&fixture.other_smtpd,
		    &(struct step){.exchange = 200 + i, PLAIN("\0Bob\0guess")});
	peer_step(&fixture.other_smtpd, &(struct step){.exchange = 300, PLAIN("\0Bob\0pencil")});
	peer_wait(&fixture.other_smtpd, 42);
	assert_non_null(strstr(fixture.other_smtpd.heard.bytes, "sasl done"));
}

static void
test_reset_password(void **state)
{
	peer_step(&fixture.smtpd, &(struct step){.exchange = 1, PLAIN("\0Bob\0pencil")});
	expect(&fixture.smtpd, 2, "credential=1");
	fixture_must(
	    &fixture, 200, "POST", "/v1/users/Bob/reset-password", "{\"password\":\"pen\"}");
	/* A session that is open hears that it must log in again. */
	expect(&fixture.smtpd, 1, "grant 1 Bob active credential=2");
	peer_step(&fixture.smtpd, &(struct step){.exchange = 2, PLAIN("\0Bob\0pencil")});
	expect(&fixture.smtpd, 1, "sasl failed");
	peer_step(&fixture.smtpd, &(struct step){.exchange = 3, PLAIN("\0Bob\0pen")});
	expect(&fixture.smtpd, 2, "credential=2");
}

static void
test_inactive_user(void **state)
{
	peer_step(&fixture.smtpd, &(struct step){.exchange = 1, PLAIN("\0Bob\0pencil")});
	expect(&fixture.smtpd, 2, "sasl done");
	fixture_must(&fixture, 200, "PATCH", "/v1/users/Bob", "{\"active\":false}");
	expect(&fixture.smtpd, 1, "grant 1 Bob inactive");
	peer_step(&fixture.smtpd, &(struct step){.exchange = 2, PLAIN("\0Bob\0pencil")});
	expect(&fixture.smtpd, 1, "sasl failed user=0");
	fixture_must(&fixture, 200, "PATCH", "/v1/users/Bob", "{\"active\":true}");
	expect(&fixture.smtpd, 1, "grant 1 Bob active");
	peer_step(&fixture.smtpd, &(struct step){.exchange = 3, PLAIN("\0Bob\0pencil")});
	expect(&fixture.smtpd, 2, "sasl done");
}

/* The link goes while the derivation runs: nobody is there for the verdict. */
static void
test_link_lost_meanwhile(void **state)
{
	peer_step(&fixture.smtpd, &(struct step){.exchange = 1, PLAIN("\0Bob\0pencil")});
	loop_turn(fixture.loop, 1);
	loop_turn(fixture.loop, 0);
	sasl_forget_link(fixture.parts.sasl, fixture.smtpd.near);
	peer_step(&fixture.other_smtpd, &(struct step){.exchange = 1, PLAIN("\0Bob\0wrong")});
	expect(&fixture.other_smtpd, 1, "sasl failed");
}

static void
test_broken_database_is_temporary(void **state)
{
	struct err err;

	assert_true(db_run(fixture.parts.db, "DROP TABLE user", NULL, 0, NULL, NULL, &err) >= 0);
	peer_step(&fixture.smtpd, &(struct step){.exchange = 1, PLAIN("\0Bob\0pencil")});
	expect(&fixture.smtpd, 1, "sasl temporary");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_plain),
	    TEST(test_grant_goes_before),
	    TEST(test_plain_in_two_steps),
	    TEST(test_login),
	    TEST(test_login_with_initial_response),
	    TEST(test_empty_response_is_malformed_not_asked_again),
	    TEST(test_abort),
	    TEST(test_exchanges_of_two_links),
	    TEST(test_known_password_does_not_wait_behind_guessers),
	    TEST(test_reset_password),
	    TEST(test_inactive_user),
	    TEST(test_link_lost_meanwhile),
	    TEST(test_broken_database_is_temporary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
