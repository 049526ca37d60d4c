/* Room that accounts lends to smtpds: asked for once, used, given back, called back. */
#include "daemon/accounts/gate.h"
#include "daemon/smtpd/lease.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/core/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

/* ---- smtpd's side ---- */

struct holder {
	struct loop *loop;
	struct lease *lease;
	unsigned given_back;
};

static void
count_given_back(void *ctx)
{
	((struct holder *)ctx)->given_back++;
}

static int
holder_open(void **state)
{
	struct holder *holder = xcalloc(1, sizeof(*holder));

	holder->loop = loop_new();
	loop_hurry(holder->loop, 100);
	holder->lease = lease_new(holder->loop, count_given_back, holder);
	*state = holder;
	return 0;
}

static int
holder_close(void **state)
{
	struct holder *holder = *state;

	lease_free(holder->lease);
	loop_free(holder->loop);
	free(holder);
	return 0;
}

static void
test_one_question_at_a_time_asks_for_room(void **state)
{
	struct lease *lease = ((struct holder *)*state)->lease;

	assert_false(lease_take(lease));
	assert_true(lease_ask(lease, 1));
	assert_false(lease_ask(lease, 2));
	lease_on_answer(lease, 2, 0); /* not to the one that asked */
	assert_false(lease_ask(lease, 3));
	lease_on_answer(lease, 1, 2);
	assert_false(lease_ask(lease, 4));
	assert_true(lease_take(lease));
	assert_true(lease_take(lease));
	assert_false(lease_take(lease));
	assert_true(lease_ask(lease, 5));
	assert_int_equal(((struct holder *)*state)->given_back, 0);
}

static void
test_room_that_is_not_used_is_given_back(void **state)
{
	struct holder *holder = *state;

	assert_true(lease_ask(holder->lease, 1));
	lease_on_answer(holder->lease, 1, 5);
	assert_true(lease_take(holder->lease));
	for (int turns = 0; holder->given_back == 0 && turns < 5000; turns++)
		loop_turn(holder->loop, 1);
	assert_int_equal(holder->given_back, 1);
	assert_false(lease_take(holder->lease));
	lease_end(holder->lease); /* nothing is left to be given back */
	assert_int_equal(holder->given_back, 1);
	assert_true(lease_ask(holder->lease, 2));
	lease_on_answer(holder->lease, 2, 5);
	lease_end(holder->lease);
	assert_int_equal(holder->given_back, 2);
	assert_false(lease_take(holder->lease));
}

/* What an answer that nobody hears brings is given back, too. */
static void
test_a_question_without_an_answer(void **state)
{
	struct holder *holder = *state;

	assert_true(lease_ask(holder->lease, 1));
	lease_on_no_answer(holder->lease, 2);
	assert_int_equal(holder->given_back, 0);
	lease_on_no_answer(holder->lease, 1);
	assert_int_equal(holder->given_back, 1);
	lease_on_answer(holder->lease, 1, 5);
	assert_false(lease_take(holder->lease));
	assert_true(lease_ask(holder->lease, 2));
}

static void
test_a_lost_link_ends_it(void **state)
{
	struct holder *holder = *state;

	assert_true(lease_ask(holder->lease, 1));
	lease_on_answer(holder->lease, 1, 5);
	lease_forget(holder->lease);
	assert_false(lease_take(holder->lease));
	assert_true(lease_ask(holder->lease, 2));
	lease_forget(holder->lease);
	lease_on_answer(holder->lease, 2, 5);
	assert_false(lease_take(holder->lease));
	assert_true(lease_ask(holder->lease, 3));
	assert_int_equal(holder->given_back, 0);
}

/* ---- accounts' side, over links ---- */

#define SMTPDS 3

struct end {
	struct parts *parts; /* of accounts' end */
	struct link *link;
	unsigned answers, leased, called_back;
	bool is_roomy;
};

struct office {
	struct config config;
	struct parts parts;
	struct end near[SMTPDS], far[SMTPDS];
	uint64_t last_number;
};

static void
on_near_message(struct link *link, const struct link_message *message, void *ctx)
{
	struct parts *parts = ((struct end *)ctx)->parts;

	if (message->kind == MSG_ADMIT)
		gate_admit(parts, link, message->request_id, &message->body->admit);
	else if (message->kind == MSG_PRESENT)
		gate_restore(parts, link, &message->body->present);
	else if (message->kind == MSG_LEASE_END)
		gate_end_lease(parts, link);
}

static void
on_far_message(struct link *link, const struct link_message *message, void *ctx)
{
	((struct end *)ctx)->called_back += message->kind == MSG_LEASE_END;
}

static void
on_closed(struct link *link, const char *reason, void *ctx)
{
	fail_msg("%s", reason);
}

static int
office_open(void **state)
{
	static const struct link_callbacks near = {on_near_message, on_closed};
	static const struct link_callbacks far = {on_far_message, on_closed};
	struct office *office = xcalloc(1, sizeof(*office));
	struct parts *parts = &office->parts;
	int fds[2];

	office->config.limits.connections = 1000;
	office->config.limits.connections_per_client = 200;
	parts->loop = loop_new();
	parts->config = &office->config;
	parts->presence = presence_new(parts->loop, parts->config);
	for (unsigned i = 0; i < SMTPDS; i++) {
		assert_int_equal(
		    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
		office->near[i].parts = parts;
		office->near[i].link = parts->smtpds[i] = link_open(
		    parts->loop, fds[0], ROLE_ACCOUNTS, ROLE_SMTPD, i, &near, &office->near[i]);
		office->far[i].link = link_open(
		    parts->loop, fds[1], ROLE_SMTPD, ROLE_ACCOUNTS, 0, &far, &office->far[i]);
	}
	*state = office;
	return 0;
}

static int
office_close(void **state)
{
	struct office *office = *state;

	for (unsigned i = 0; i < SMTPDS; i++) {
		link_close(office->near[i].link);
		link_close(office->far[i].link);
	}
	presence_free(office->parts.presence);
	for (int i = 0; i < 4; i++)
		loop_turn(office->parts.loop, 0);
	loop_free(office->parts.loop);
	free(office);
	return 0;
}

#define TURN_UNTIL(office, condition)                                                              \
	do {                                                                                       \
		for (int turns = 0; !(condition) && turns < 5000; turns++)                         \
			loop_turn((office)->parts.loop, 1);                                        \
		assert_true(condition);                                                            \
	} while (0)

static struct msg_bytes
some_address(void)
{
	static struct netaddr address;

	assert_true(netaddr_parse("192.0.2.1", &address));
	return (struct msg_bytes){address.bytes, sizeof(address.bytes)};
}

static void
on_answer(const union message *answer, void *ctx)
{
	struct end *end = ctx;

	assert_non_null(answer);
	assert_int_equal(answer->admitted.admission, ADMISSION_GRANTED);
	end->leased = answer->admitted.lease;
	end->is_roomy = answer->admitted.is_roomy;
	end->answers++;
}

static void
ask(struct office *office, unsigned smtpd, bool wants_lease)
{
	struct msg_admit message = {
	    .connection = ++office->last_number,
	    .address = some_address(),
	    .is_trusted = true,
	    .wants_lease = wants_lease,
	};
	struct end *end = &office->far[smtpd];
	unsigned wanted = end->answers + 1;

	(void)link_request(end->link, MSG_ADMIT, &message, 10000, on_answer, end);
	TURN_UNTIL(office, end->answers == wanted);
}

static void
tell(struct office *office, unsigned smtpd, bool is_leased)
{
	struct rec_client client = {.connection = ++office->last_number, .address = some_address()};
	struct msg_list_builder clients = {0};
	struct msg_present message = {.is_leased = is_leased};

	message_list_add(&clients, REC_CLIENT, &client);
	message.clients = message_list_value(&clients);
	link_send(office->far[smtpd].link, MSG_PRESENT, &message);
	message_list_fini(&clients);
}

static void
test_lent_with_an_answer_used_and_given_back(void **state)
{
	static const struct msg_lease_end over;
	struct office *office = *state;
	struct presence *presence = office->parts.presence;

	ask(office, 0, false);
	assert_int_equal(office->far[0].leased, 0);
	ask(office, 0, true);
	assert_int_equal(office->far[0].leased, (100 - 2) / 8);
	ask(office, 1, true);
	assert_int_equal(office->far[1].leased, (100 - 3 - 12) / 8);
	tell(office, 0, true);
	TURN_UNTIL(office, presence_count(presence) == 4);
	assert_int_equal(presence_leased(presence, 0), 11);
	tell(office, 0, false); /* one that was let in without an answer */
	TURN_UNTIL(office, presence_count(presence) == 5);
	assert_int_equal(presence_leased(presence, 0), 11);
	link_send(office->far[0].link, MSG_LEASE_END, &over);
	TURN_UNTIL(office, presence_leased(presence, 0) == 0);
	assert_int_equal(presence_leased(presence, 1), 10);
}

/* Only of those who hold room, and only then. */
static void
test_called_back_where_a_limit_is_near(void **state)
{
	static const struct msg_lease_end over;
	struct office *office = *state;

	ask(office, 1, true);
	ask(office, 2, true);
	assert_true(office->far[1].leased > 0 && office->far[2].leased > 0);
	do
		ask(office, 0, false);
	while (office->far[0].is_roomy);
	assert_int_equal(
	    presence_count(office->parts.presence) + office->far[1].leased + office->far[2].leased,
	    100);
	TURN_UNTIL(office, office->far[1].called_back == 1 && office->far[2].called_back == 1);
	assert_int_equal(office->far[0].called_back, 0);
	ask(office, 0, true);
	assert_int_equal(office->far[0].leased, 0);
	ask(office, 1, false); /* it isn't told again */
	assert_int_equal(office->far[1].called_back, 1);
	link_send(office->far[1].link, MSG_LEASE_END, &over);
	link_send(office->far[2].link, MSG_LEASE_END, &over);
	TURN_UNTIL(office, presence_is_roomy(office->parts.presence));
}

/* As those are whose smtpd has a link to a new accounts, that has lent room already. */
static void
test_called_back_when_more_are_there_than_was_known(void **state)
{
	struct office *office = *state;

	ask(office, 1, true);
	assert_true(office->far[1].leased > 0);
	for (unsigned i = 0; i < 100; i++)
		tell(office, 0, false);
	TURN_UNTIL(office, office->far[1].called_back > 0);
}

static void
test_called_back_when_a_limit_is_lowered(void **state)
{
	struct office *office = *state;

	ask(office, 0, true);
	gate_call_back(&office->parts);
	office->config.limits.connections_per_client = 20;
	gate_call_back(&office->parts);
	TURN_UNTIL(office, office->far[0].called_back > 0);
	assert_int_equal(office->far[0].called_back, 1);
}

#define HOLDER(test) cmocka_unit_test_setup_teardown(test, holder_open, holder_close)
#define OFFICE(test) cmocka_unit_test_setup_teardown(test, office_open, office_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    HOLDER(test_one_question_at_a_time_asks_for_room),
	    HOLDER(test_room_that_is_not_used_is_given_back),
	    HOLDER(test_a_question_without_an_answer),
	    HOLDER(test_a_lost_link_ends_it),
	    OFFICE(test_lent_with_an_answer_used_and_given_back),
	    OFFICE(test_called_back_where_a_limit_is_near),
	    OFFICE(test_called_back_when_more_are_there_than_was_known),
	    OFFICE(test_called_back_when_a_limit_is_lowered),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
