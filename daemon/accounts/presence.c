/* presence - three tables in buckets: clients, the origins they come from, the users they are. */
#include "daemon/accounts/presence.h"

#include "common/list.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/core/loop.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 8192
#define LOG_EVERY_MS 60000
#define CLIENTS_MAX 2000000 /* whatever an smtpd says */
#define LEASE_PART 8        /* of the room that is left: other smtpds want some, too */

#define TEXT_FULL "Too many connections, try again later"
#define TEXT_CLIENT_FULL "Too many connections from your address"

/* Someone whose clients are counted: an origin, or a user by its id. */
struct party {
	struct list link;
	struct netaddr key;
	unsigned count;
	/* refusals that were not logged, and when one was (0: never) */
	unsigned refused;
	int64_t logged_at_ms;
};

struct client {
	struct list link;
	unsigned smtpd;
	uint64_t connection;
	struct party *origin;
	struct party *user; /* NULL: not known yet */
};

struct presence {
	struct loop *loop;
	const struct config *config;
	uint64_t seed;
	unsigned count;
	struct party all;                             /* for the log only */
	unsigned leases[SMTPD_PROCESSES_MAX], leased; /* for so many clients, and in all */
	bool is_called_back[SMTPD_PROCESSES_MAX];
	struct list clients[BUCKETS], origins[BUCKETS], users[BUCKETS];
};

/* ---- parties ---- */

static struct netaddr
key_of_user(uint64_t user_id)
{
	struct netaddr key = {{0}};

	memcpy(key.bytes, &user_id, sizeof(user_id));
	return key;
}

static struct list *
party_bucket(const struct presence *presence, const struct list *table, const struct netaddr *key)
{
	return (struct list *)(uintptr_t)&table[netaddr_hash(key, presence->seed) % BUCKETS];
}

static struct party *
party_find(const struct presence *presence, const struct list *table, const struct netaddr *key)
{
	const struct list *bucket = party_bucket(presence, table, key);

	LIST_EACH (bucket, at) {
		struct party *party = LIST_ENTRY(at, struct party, link);

		if (memcmp(&party->key, key, sizeof(*key)) == 0)
			return party;
	}
	return NULL;
}

/* One client more. */
static struct party *
party_join(struct presence *presence, struct list *table, const struct netaddr *key)
{
	struct party *party = party_find(presence, table, key);

	if (party == NULL) {
		party = xcalloc(1, sizeof(*party));
		party->key = *key;
		list_append(party_bucket(presence, table, key), &party->link);
	}
	party->count++;
	return party;
}

static unsigned
party_count(const struct party *party)
{
	return party == NULL ? 0 : party->count;
}

/* ---- the log ---- */

static void
log_refused(
    struct party *party, const struct netaddr *address, const char *enhanced, const char *text)
{
	char buffer[NETADDR_ORIGIN_TEXT_SIZE];
	struct log_line line;

	if (!log_begin(&line, LOG_INFO, EVENT_REJECTED, 0))
		return;
	log_text(&line, KEY_CLIENT, netaddr_format_origin(address, buffer));
	log_number(&line, KEY_CODE, 421);
	log_text(&line, KEY_ENHANCED, enhanced);
	log_text(&line, KEY_REPLY, text);
	log_number(&line, KEY_COUNT, party->refused);
	log_end(&line);
	party->refused = 0;
}

static void
note_refused(struct presence *presence, struct party *party, const struct netaddr *address,
    const char *enhanced, const char *text)
{
	int64_t now_ms = loop_now_ms(presence->loop);

	if (party == NULL) /* an origin without clients: what is lent fills a limit that is new */
		party = &presence->all;
	party->refused++;
	if (party->logged_at_ms != 0 && now_ms - party->logged_at_ms < LOG_EVERY_MS)
		return;
	party->logged_at_ms = now_ms;
	log_refused(party, address, enhanced, text);
}

static void
origin_leave(struct party *origin)
{
	if (--origin->count > 0)
		return;
	if (origin->refused > 0)
		log_refused(origin, &origin->key, "4.7.0", TEXT_CLIENT_FULL);
	list_remove(&origin->link);
	free(origin);
}

static void
user_leave(struct party *user)
{
	if (user == NULL || --user->count > 0)
		return;
	list_remove(&user->link);
	free(user);
}

/* ---- clients ---- */

static struct list *
client_bucket(const struct presence *presence, unsigned smtpd, uint64_t connection)
{
	return (struct list *)(uintptr_t)&presence
	    ->clients[(connection * 31 + smtpd * UINT64_C(977)) % BUCKETS];
}

static struct client *
client_find(const struct presence *presence, unsigned smtpd, uint64_t connection)
{
	LIST_EACH (client_bucket(presence, smtpd, connection), at) {
		struct client *client = LIST_ENTRY(at, struct client, link);

		if (client->smtpd == smtpd && client->connection == connection)
			return client;
	}
	return NULL;
}

static void
client_free(struct presence *presence, struct client *client)
{
	list_remove(&client->link);
	origin_leave(client->origin);
	user_leave(client->user);
	presence->count--;
	free(client);
}

/* A number that is used again was forgotten to be given back. */
static struct client *
client_add(
    struct presence *presence, unsigned smtpd, uint64_t connection, const struct netaddr *origin)
{
	struct client *client;

	presence_leave(presence, smtpd, connection);
	client = xcalloc(1, sizeof(*client));
	client->smtpd = smtpd;
	client->connection = connection;
	client->origin = party_join(presence, presence->origins, origin);
	list_append(client_bucket(presence, smtpd, connection), &client->link);
	presence->count++;
	return client;
}

enum admission
presence_admit(
    struct presence *presence, unsigned smtpd, uint64_t connection, const struct netaddr *address)
{
	struct netaddr key = netaddr_origin(address);
	struct party *origin = party_find(presence, presence->origins, &key);
	unsigned limit = presence->config->limits.connections_per_client;

	if (limit != 0 && party_count(origin) + presence->leased >= limit) {
		note_refused(presence, origin, &key, "4.7.0", TEXT_CLIENT_FULL);
		return ADMISSION_CLIENT_FULL;
	}
	if (presence->count + presence->leased >= presence->config->limits.connections) {
		note_refused(presence, &presence->all, &key, "4.3.2", TEXT_FULL);
		return ADMISSION_FULL;
	}
	(void)client_add(presence, smtpd, connection, &key);
	return ADMISSION_GRANTED;
}

void
presence_restore(struct presence *presence, unsigned smtpd, uint64_t connection,
    const struct netaddr *address, uint64_t user_id)
{
	struct netaddr origin = netaddr_origin(address), key = key_of_user(user_id);
	struct client *client;

	if (presence->count >= CLIENTS_MAX)
		return;
	client = client_add(presence, smtpd, connection, &origin);
	if (user_id != 0)
		client->user = party_join(presence, presence->users, &key);
}

bool
presence_take_user(struct presence *presence, unsigned smtpd, uint64_t connection, uint64_t user_id)
{
	struct client *client = client_find(presence, smtpd, connection);
	struct netaddr key = key_of_user(user_id);
	struct party *user = party_find(presence, presence->users, &key);
	unsigned limit = presence->config->limits.connections_per_user;

	if (client == NULL || (user != NULL && client->user == user))
		return true;
	if (limit != 0 && party_count(user) + presence->leased >= limit)
		return false;
	user_leave(client->user);
	client->user = party_join(presence, presence->users, &key);
	return true;
}

/* How many clients are missing to half of the least limit. */
static unsigned
room(const struct presence *presence)
{
	unsigned taken = presence->count + presence->leased;
	unsigned least = presence->config->limits.connections;
	unsigned per_client = presence->config->limits.connections_per_client;
	unsigned per_user = presence->config->limits.connections_per_user;

	if (per_client != 0 && per_client < least)
		least = per_client;
	if (per_user != 0 && per_user < least)
		least = per_user;
	return taken < least / 2 ? least / 2 - taken : 0;
}

bool
presence_is_roomy(const struct presence *presence)
{
	return room(presence) > 0;
}

void
presence_leave(struct presence *presence, unsigned smtpd, uint64_t connection)
{
	struct client *client = client_find(presence, smtpd, connection);

	if (client != NULL)
		client_free(presence, client);
}

/* ---- leases ---- */

void
presence_end_lease(struct presence *presence, unsigned smtpd)
{
	presence->leased -= presence->leases[smtpd];
	presence->leases[smtpd] = 0;
}

unsigned
presence_lend(struct presence *presence, unsigned smtpd)
{
	presence_end_lease(presence, smtpd);
	presence->leases[smtpd] = room(presence) / LEASE_PART;
	presence->leased += presence->leases[smtpd];
	presence->is_called_back[smtpd] = false;
	return presence->leases[smtpd];
}

bool
presence_call_back(struct presence *presence, unsigned smtpd)
{
	if (presence->leases[smtpd] == 0 || presence->is_called_back[smtpd] || room(presence) > 0)
		return false;
	presence->is_called_back[smtpd] = true;
	return true;
}

void
presence_use_lease(struct presence *presence, unsigned smtpd)
{
	if (presence->leases[smtpd] == 0)
		return;
	presence->leases[smtpd]--;
	presence->leased--;
}

unsigned
presence_leased(const struct presence *presence, unsigned smtpd)
{
	return presence->leases[smtpd];
}

/* ---- the end ---- */

static void
forget(struct presence *presence, bool is_all, unsigned smtpd)
{
	for (size_t i = 0; i < BUCKETS; i++)
		LIST_EACH_SAFE (&presence->clients[i], at, next) {
			struct client *client = LIST_ENTRY(at, struct client, link);

			if (is_all || client->smtpd == smtpd)
				client_free(presence, client);
		}
}

void
presence_forget_smtpd(struct presence *presence, unsigned smtpd)
{
	presence_end_lease(presence, smtpd);
	forget(presence, false, smtpd);
}

/* ---- questions ---- */

bool
presence_find(const struct presence *presence, unsigned smtpd, uint64_t connection,
    struct netaddr *origin_out)
{
	const struct client *client = client_find(presence, smtpd, connection);

	if (client == NULL)
		return false;
	*origin_out = client->origin->key;
	return true;
}

unsigned
presence_count(const struct presence *presence)
{
	return presence->count;
}

unsigned
presence_count_origin(const struct presence *presence, const struct netaddr *origin)
{
	return party_count(party_find(presence, presence->origins, origin));
}

unsigned
presence_count_user(const struct presence *presence, uint64_t user_id)
{
	struct netaddr key = key_of_user(user_id);

	return party_count(party_find(presence, presence->users, &key));
}

/* ---- life ---- */

struct presence *
presence_new(struct loop *loop, const struct config *config)
{
	struct presence *presence = xcalloc(1, sizeof(*presence));

	presence->loop = loop;
	presence->config = config;
	ensure(RAND_bytes((uint8_t *)&presence->seed, sizeof(presence->seed)) == 1);
	for (size_t i = 0; i < BUCKETS; i++) {
		list_init(&presence->clients[i]);
		list_init(&presence->origins[i]);
		list_init(&presence->users[i]);
	}
	return presence;
}

void
presence_free(struct presence *presence)
{
	if (presence == NULL)
		return;
	forget(presence, true, 0);
	free(presence);
}

void
presence_set_config(struct presence *presence, const struct config *config)
{
	presence->config = config;
}
