/* What EHLO announces and what AUTH answers, for each mechanism, each config, each connection. */
#include "daemon/smtpd/auth_failures.h"
#include "tests/dialogue/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ALL "SCRAM-SHA-256-PLUS SCRAM-SHA-256 LOGIN PLAIN CRAM-MD5"
#define PROOFS "SCRAM-SHA-256 CRAM-MD5"

enum place { REMOTE, LOOPBACK, TLS, TLS_BOUND };

static const char *const place_names[] = {"remote", "loopback", "TLS", "TLS with a binding"};

static void
open_world(struct world *world, enum auth_without_tls without_tls, enum place place)
{
	static char all[] = ALL;

	world_init(world);
	world->config.auth.mechanisms = all;
	world->config.auth.without_tls = without_tls;
	world->setup.is_loopback = place == LOOPBACK;
	world->setup.tls_version = place >= TLS ? "TLSv1.3" : NULL;
	world->has_binding = place == TLS_BOUND;
	world_open(world);
}

static void
say(struct world *world, const char *line)
{
	buf_clear(&world->output);
	world_send(world, line, strlen(line));
	world_send(world, "\r\n", 2);
}

/* What EHLO has behind `250-AUTH`, to the end of that line. */
static void
check_offer(struct world *world, const char *mark, const char *expected)
{
	const char *at;

	say(world, "EHLO me");
	at = strstr(world->output.bytes, mark);
	if (expected[0] == '\0') {
		assert_null(at);
		return;
	}
	assert_non_null(at);
	at += strlen(mark);
	if (strncmp(at, expected, strlen(expected)) != 0 || at[strlen(expected)] != '\r')
		fail_msg("not %s in %s", expected, world->output.bytes);
}

/* As AUTH is answered: 334 stands for a question to accounts. */
static unsigned
try(struct world *world, const char *mechanism)
{
	char line[64];
	unsigned code;

	(void)snprintf(line, sizeof(line), "AUTH %s", mechanism);
	say(world, line);
	if (!world->is_sasl_waiting)
		return (unsigned)strtoul(world->output.bytes, NULL, 10);
	assert_int_equal(world->binding_size, world->has_binding ? TLS_EXPORTER_SIZE : 0);
	world_answer_sasl(world, SASL_CONTINUE, "");
	code = (unsigned)strtoul(world->output.bytes, NULL, 10);
	say(world, "*");
	return code;
}

static void
test_each_mechanism_in_each_place(void **state)
{
	static const struct {
		enum auth_without_tls without_tls;
		enum place place;
		const char *offer;
		unsigned plus, scram, plain, login, cram;
	} rows[] = {
	    {AUTH_CLEAR_NEVER, REMOTE, PROOFS, 538, 334, 538, 538, 334},
	    {AUTH_CLEAR_NEVER, LOOPBACK, PROOFS, 538, 334, 538, 538, 334},
	    {AUTH_CLEAR_NEVER, TLS, "SCRAM-SHA-256 LOGIN PLAIN CRAM-MD5", 504, 334, 334, 334, 334},
	    {AUTH_CLEAR_NEVER, TLS_BOUND, ALL, 334, 334, 334, 334, 334},
	    {AUTH_CLEAR_LOOPBACK, REMOTE, PROOFS, 538, 334, 538, 538, 334},
	    {AUTH_CLEAR_LOOPBACK, LOOPBACK, "SCRAM-SHA-256 LOGIN PLAIN CRAM-MD5", 538, 334, 334,
		334, 334},
	    {AUTH_CLEAR_LOOPBACK, TLS_BOUND, ALL, 334, 334, 334, 334, 334},
	    {AUTH_CLEAR_ALWAYS, REMOTE, "SCRAM-SHA-256 LOGIN PLAIN CRAM-MD5", 538, 334, 334, 334,
		334},
	    {AUTH_CLEAR_ALWAYS, LOOPBACK, "SCRAM-SHA-256 LOGIN PLAIN CRAM-MD5", 538, 334, 334, 334,
		334},
	    {AUTH_CLEAR_ALWAYS, TLS_BOUND, ALL, 334, 334, 334, 334, 334},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct world world;

		print_message(
		    "without_tls %d, %s\n", (int)rows[i].without_tls, place_names[rows[i].place]);
		open_world(&world, rows[i].without_tls, rows[i].place);
		check_offer(&world, "250-AUTH ", rows[i].offer);
		check_offer(&world, "250-AUTH=", "");
		assert_int_equal(try(&world, "scram-sha-256-plus"), rows[i].plus);
		assert_int_equal(try(&world, "Scram-SHA-256"), rows[i].scram);
		assert_int_equal(try(&world, "plain"), rows[i].plain);
		assert_int_equal(try(&world, "LOGIN"), rows[i].login);
		assert_int_equal(try(&world, "cram-MD5"), rows[i].cram);
		assert_int_equal(try(&world, "EXTERNAL"), 504);
		assert_int_equal(try(&world, "XOAUTH2"), 504);
		assert_int_equal(try(&world, "SCRAM-SHA-1"), 504);
		world_fini(&world);
	}
}

/* A binding is what accounts tells a downgrade by: not where no bound mechanism is offered. */
static void
test_no_binding_without_a_bound_mechanism(void **state)
{
	static char mechanisms[] = "SCRAM-SHA-256 PLAIN";
	struct world world;

	open_world(&world, AUTH_CLEAR_NEVER, TLS_BOUND);
	world.config.auth.mechanisms = mechanisms;
	check_offer(&world, "250-AUTH ", mechanisms);
	say(&world, "AUTH SCRAM-SHA-256");
	assert_true(world.is_sasl_waiting);
	assert_int_equal(world.binding_size, 0);
	world_fini(&world);
}

static void
test_legacy_line(void **state)
{
	static char scram[] = "SCRAM-SHA-256";
	struct world world;

	open_world(&world, AUTH_CLEAR_LOOPBACK, LOOPBACK);
	world.config.auth.legacy_line = true;
	check_offer(&world, "250-AUTH=", "LOGIN PLAIN");
	check_offer(&world, "250-AUTH ", "SCRAM-SHA-256 LOGIN PLAIN CRAM-MD5");
	world.config.auth.without_tls = AUTH_CLEAR_NEVER;
	check_offer(&world, "250-AUTH=", "");
	world.config.auth.without_tls = AUTH_CLEAR_ALWAYS;
	world.config.auth.mechanisms = scram;
	check_offer(&world, "250-AUTH=", "");
	world_fini(&world);
}

static void
test_several_mechanisms_with_one_password_are_one_guess(void **state)
{
	static const struct {
		const char *name;
		struct {
			const char *mechanism;
			uint64_t guess;
		} failures[8];
		unsigned count;
	} rows[] = {
	    {"each mechanism once",
		{{"SCRAM-SHA-256-PLUS", 0}, {"SCRAM-SHA-256", 0}, {"CRAM-MD5", 0}, {"PLAIN", 7},
		    {"LOGIN", 7}},
		1},
	    {"one password by one mechanism", {{"PLAIN", 7}, {"PLAIN", 7}, {"PLAIN", 7}}, 3},
	    {"other passwords", {{"PLAIN", 7}, {"PLAIN", 8}, {"PLAIN", 9}}, 3},
	    {"other passwords, in turns", {{"PLAIN", 7}, {"LOGIN", 8}, {"PLAIN", 9}}, 3},
	    {"proofs", {{"CRAM-MD5", 0}, {"CRAM-MD5", 0}, {"SCRAM-SHA-256", 0}}, 2},
	    {"more mechanisms than there are",
		{{"A", 0}, {"B", 0}, {"C", 0}, {"D", 0}, {"E", 0}, {"F", 0}, {"G", 0}}, 2},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct auth_failures *failures = NULL;
		unsigned count = 0;

		print_message("%s\n", rows[i].name);
		for (size_t j = 0; j < 8 && rows[i].failures[j].mechanism != NULL; j++)
			count = auth_failures_add(
			    &failures, rows[i].failures[j].mechanism, rows[i].failures[j].guess);
		assert_int_equal(count, rows[i].count);
		free(failures);
	}
}

static void
test_many_guesses_are_all_counted(void **state)
{
	struct auth_failures *failures = NULL;

	for (unsigned i = 1; i <= 100; i++)
		assert_int_equal(auth_failures_add(&failures, i % 2 ? "PLAIN" : "LOGIN", i), i);
	free(failures);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_mechanism_in_each_place),
	    cmocka_unit_test(test_no_binding_without_a_bound_mechanism),
	    cmocka_unit_test(test_legacy_line),
	    cmocka_unit_test(test_several_mechanisms_with_one_password_are_one_guess),
	    cmocka_unit_test(test_many_guesses_are_all_counted),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
