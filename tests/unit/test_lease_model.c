/*
 * Leases as a model: smtpds with clients that come and go, links on which messages wait for any time,
 * and accounts' own counts. Whoever is greeted is so within every limit, at each step.
 */
#include "daemon/accounts/presence.h"
#include "daemon/smtpd/lease.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/core/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define SMTPDS 3
#define STEPS 60000
#define QUEUE 256
#define BUSY 64 /* who writes waits; who reads doesn't */
#define CLIENTS 300
#define ORIGINS 2
#define USERS 3 /* the first is nobody */

enum what { TO_ADMIT, TO_LEAVE, TO_PRESENT, TO_END, FROM_ADMITTED, FROM_CALL_BACK };

struct letter {
	enum what what;
	uint64_t number;
	unsigned origin, user, lease;
	bool wants_lease, is_granted;
};

struct line {
	struct letter letters[QUEUE];
	unsigned first, count;
};

struct guest {
	uint64_t number; /* 0: none */
	unsigned smtpd, origin, user;
	bool is_greeted;
};

struct world;

struct server {
	struct world *world;
	struct lease *lease;
	struct line to, from;
};

struct world {
	struct loop *loop;
	struct config config;
	struct presence *presence;
	struct server servers[SMTPDS];
	struct guest guests[CLIENTS];
	unsigned all, by_origin[ORIGINS], by_user[USERS]; /* who are greeted */
	unsigned leased, refused, called_back;
	unsigned still; /* this smtpd is; or none */
	uint64_t last_number, seed;
};

static unsigned
any(struct world *world, unsigned below)
{
	world->seed = world->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(world->seed >> 33) % below;
}

static void
put(struct line *line, struct letter letter)
{
	assert_true(line->count < QUEUE);
	line->letters[(line->first + line->count++) % QUEUE] = letter;
}

static bool
get(struct line *line, struct letter *letter_out)
{
	if (line->count == 0)
		return false;
	*letter_out = line->letters[line->first];
	line->first = (line->first + 1) % QUEUE;
	line->count--;
	return true;
}

static void
give_back(void *ctx)
{
	put(&((struct server *)ctx)->to, (struct letter){.what = TO_END});
}

static void
greet(struct world *world, struct guest *guest, unsigned user)
{
	const struct config *config = &world->config;

	guest->is_greeted = true;
	guest->user = user;
	assert_true(++world->all <= config->limits.connections);
	assert_true(++world->by_origin[guest->origin] <= config->limits.connections_per_client);
	assert_true(++world->by_user[user] <= config->limits.connections_per_user || user == 0);
}

static void
go(struct world *world, struct guest *guest)
{
	if (guest->is_greeted) {
		world->all--;
		world->by_origin[guest->origin]--;
		world->by_user[guest->user]--;
	}
	*guest = (struct guest){0};
}

static struct guest *
guest_of(struct world *world, unsigned smtpd, uint64_t number)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		if (world->guests[i].number == number &&
		    (number == 0 || world->guests[i].smtpd == smtpd))
			return &world->guests[i];
	return NULL;
}

static void
come(struct world *world, unsigned smtpd)
{
	struct server *server = &world->servers[smtpd];
	struct guest *guest = guest_of(world, smtpd, 0);
	struct letter letter = {.number = ++world->last_number};

	if (guest == NULL || server->to.count > BUSY)
		return;
	letter.origin = any(world, 4) == 0; /* one has most of them, so has a user */
	letter.user = any(world, 2) == 0 ? any(world, USERS) : 1;
	*guest = (struct guest){letter.number, smtpd, letter.origin, letter.user, false};
	letter.what = lease_take(server->lease) ? TO_PRESENT : TO_ADMIT;
	letter.wants_lease = letter.what == TO_ADMIT && lease_ask(server->lease, letter.number);
	put(&server->to, letter);
	if (letter.what == TO_ADMIT)
		return;
	greet(world, guest, letter.user);
	world->leased++;
}

static void
leave(struct world *world, struct guest *guest)
{
	struct server *server = &world->servers[guest->smtpd];

	if (guest->number == 0 || server->to.count > BUSY)
		return;
	if (!guest->is_greeted)
		lease_on_no_answer(server->lease, guest->number);
	put(&server->to, (struct letter){.what = TO_LEAVE, .number = guest->number});
	go(world, guest);
}

static struct netaddr
address_of(unsigned origin)
{
	struct netaddr address;

	assert_true(netaddr_parse(origin == 0 ? "192.0.2.1" : "192.0.2.2", &address));
	return address;
}

/* As the gate does. */
static void
answer(struct world *world, unsigned smtpd, const struct letter *letter)
{
	struct netaddr address = address_of(letter->origin);
	struct letter answer = {.what = FROM_ADMITTED, .number = letter->number};

	answer.is_granted =
	    presence_admit(world->presence, smtpd, letter->number, &address) == ADMISSION_GRANTED;
	if (answer.is_granted && letter->user != 0 &&
	    presence_take_user(world->presence, smtpd, letter->number, letter->user))
		answer.user = letter->user;
	if (letter->wants_lease)
		answer.lease = presence_lend(world->presence, smtpd);
	put(&world->servers[smtpd].from, answer);
	for (unsigned i = 0; i < SMTPDS; i++)
		if (presence_call_back(world->presence, i))
			put(&world->servers[i].from, (struct letter){.what = FROM_CALL_BACK});
}

static void
read_at_accounts(struct world *world, unsigned smtpd)
{
	struct server *server = &world->servers[smtpd];
	struct netaddr address;
	struct letter letter;

	if (server->from.count > BUSY || !get(&server->to, &letter))
		return;
	address = address_of(letter.origin);
	if (letter.what == TO_ADMIT)
		answer(world, smtpd, &letter);
	else if (letter.what == TO_LEAVE)
		presence_leave(world->presence, smtpd, letter.number);
	else if (letter.what == TO_END)
		presence_end_lease(world->presence, smtpd);
	if (letter.what != TO_PRESENT)
		return;
	presence_use_lease(world->presence, smtpd);
	presence_restore(world->presence, smtpd, letter.number, &address, letter.user);
}

static void
read_at_smtpd(struct world *world, unsigned smtpd)
{
	struct server *server = &world->servers[smtpd];
	struct guest *guest;
	struct letter letter;

	if (!get(&server->from, &letter))
		return;
	if (letter.what == FROM_CALL_BACK) {
		world->called_back++;
		lease_end(server->lease);
		return;
	}
	guest = guest_of(world, smtpd, letter.number);
	if (guest == NULL)
		return;
	lease_on_answer(server->lease, letter.number, letter.lease);
	world->refused += !letter.is_granted;
	if (letter.is_granted)
		greet(world, guest, letter.user);
	else
		leave(world, guest);
}

static void
die(struct world *world, unsigned smtpd)
{
	struct server *server = &world->servers[smtpd];

	for (unsigned i = 0; i < CLIENTS; i++)
		if (world->guests[i].number != 0 && world->guests[i].smtpd == smtpd)
			go(world, &world->guests[i]);
	server->to.count = server->from.count = 0;
	lease_forget(server->lease);
	presence_forget_smtpd(world->presence, smtpd);
}

/* By turns clients rather come, and rather go. Now and then an smtpd stands still for a while, with
 * whatever it was lent. */
static void
step(struct world *world, unsigned at)
{
	unsigned smtpd = any(world, SMTPDS), what = any(world, 1000);
	bool is_flood = at / 6000 % 2 == 0;
	unsigned come_below = is_flood ? 300 : 20, leave_below = is_flood ? 302 : 350;

	if (at % 4000 == 0)
		world->still = any(world, SMTPDS + 1);
	if (smtpd == world->still && (what < 350 || what >= 650))
		return;
	if (what < come_below)
		come(world, smtpd);
	else if (what < leave_below)
		leave(world, &world->guests[any(world, CLIENTS)]);
	else if (what < 650)
		read_at_accounts(world, smtpd);
	else if (what < 990)
		read_at_smtpd(world, smtpd);
	else if (what < 999)
		lease_end(world->servers[smtpd].lease);
	else if (any(world, 10) == 0)
		die(world, smtpd);
}

static void
empty(struct world *world)
{
	for (unsigned i = 0; i < SMTPDS; i++)
		lease_end(world->servers[i].lease);
	for (unsigned left = 1; left > 0;) {
		left = 0;
		for (unsigned i = 0; i < CLIENTS; i++) {
			leave(world, &world->guests[i]);
			left += world->guests[i].number != 0;
		}
		for (unsigned i = 0; i < SMTPDS; i++) {
			read_at_accounts(world, i);
			read_at_smtpd(world, i);
			left += world->servers[i].to.count + world->servers[i].from.count;
		}
	}
	assert_int_equal(presence_count(world->presence), 0);
	for (unsigned i = 0; i < SMTPDS; i++)
		assert_int_equal(presence_leased(world->presence, i), 0);
}

static void
run(struct world *world, uint64_t seed)
{
	*world = (struct world){.loop = loop_new(), .seed = seed};
	world->config.limits.connections = 220;
	world->config.limits.connections_per_client = 140;
	world->config.limits.connections_per_user = 100;
	world->presence = presence_new(world->loop, &world->config);
	for (unsigned i = 0; i < SMTPDS; i++) {
		world->servers[i].world = world;
		world->servers[i].lease = lease_new(world->loop, give_back, &world->servers[i]);
	}
	for (unsigned at = 0; at < STEPS; at++)
		step(world, at);
	assert_in_range(world->leased, 50, STEPS);
	assert_in_range(world->refused, 20, STEPS);
	assert_in_range(world->called_back, 1, STEPS);
	empty(world);
	for (unsigned i = 0; i < SMTPDS; i++)
		lease_free(world->servers[i].lease);
	presence_free(world->presence);
	loop_free(world->loop);
}

static void
test_no_limit_is_ever_passed(void **state)
{
	struct world *world = xcalloc(1, sizeof(*world));

	for (uint64_t seed = 1; seed <= 20; seed++)
		run(world, seed);
	free(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_limit_is_ever_passed),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
