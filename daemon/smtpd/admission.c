/*
 * admission - whether a client may stay: accounts counts the clients of all smtpds.
 *
 * The client is greeted on its answer, which is a turn of two loops away. A limit is worth less
 * than a greeting: without an answer within a second the client is taken, and accounts hears of
 * it behind its question, or once it is back.
 *
 * Where no limit is near accounts lends room with its answer: the next clients are greeted at once,
 * and accounts hears of them a little later, but before whatever else is said of them. Only clients of
 * trusted networks come that way: those accounts never refuses for guessing, and others wait for
 * accounts with their login anyway.
 */
#include "daemon/smtpd/client_private.h"

#include "common/clock.h"

#include <stdio.h>

#define ADMIT_DEADLINE_MS 1000
#define CLIENTS_A_MESSAGE 1000

static struct msg_bytes
address_of(const struct client *client)
{
	return (struct msg_bytes){client->address.bytes, sizeof(client->address.bytes)};
}

static void
refuse(struct client *client, const struct msg_admitted *answer)
{
	char line[120], until[CLOCK_RFC3339_SIZE];

	if (answer->admission == ADMISSION_CLIENT_FULL) {
		client_turn_away(client, "421 4.7.0 Too many connections from your address\r\n");
	} else if (answer->admission == ADMISSION_SHUT_OUT) {
		(void)snprintf(line, sizeof(line),
		    "421 4.7.0 Too many failed logins from your address, again after %s\r\n",
		    clock_rfc3339(answer->until_ms, until, sizeof(until)));
		client_turn_away(client, line);
	} else {
		client_turn_away(client, "421 4.3.2 Too many connections, try again later\r\n");
	}
}

static void
add_client(struct msg_list_builder *clients, const struct client *client, unsigned *count)
{
	uint64_t user_id = client->session == NULL ? 0 : session_user_id(client->session);
	struct rec_client record = {
	    .connection = client->number,
	    .address = address_of(client),
	    .user_id = user_id == 0 ? client->trusted_user_id : user_id,
	};

	message_list_add(clients, REC_CLIENT, &record);
	(*count)++;
}

/* It's below every limit, so it is taken as its network's user, too. */
static void
enter_on_lease(struct client *client, struct link *link)
{
	struct msg_list_builder clients = {0};
	struct msg_present message = {.is_leased = true};
	unsigned count = 0;

	add_client(&clients, client, &count);
	message.clients = message_list_value(&clients);
	link_send_lazily(link, MSG_PRESENT, &message);
	message_list_fini(&clients);
	client->is_in_no_hurry = true;
	client_begin(client);
}

static void
tell(struct link *link, struct msg_list_builder *clients, unsigned *count)
{
	struct msg_present message = {.clients = message_list_value(clients)};

	if (*count > 0)
		link_send(link, MSG_PRESENT, &message);
	message_list_fini(clients);
	*clients = (struct msg_list_builder){0};
	*count = 0;
}

/* An answer that comes too late may be a refusal: whoever is let in without one is counted, or its
 * logins would be nobody's. */
static void
tell_stays(const struct client *client)
{
	struct link *link = role_link(client->house->role, ROLE_ACCOUNTS, 0);
	struct msg_list_builder clients = {0};
	unsigned count = 0;

	if (link == NULL)
		return;
	add_client(&clients, client, &count);
	tell(link, &clients, &count);
}

static void
on_admitted(const union message *answer, void *ctx)
{
	struct client *client = ctx;

	client->admission = NULL;
	if (answer == NULL)
		lease_on_no_answer(client->house->lease, client->number);
	else
		lease_on_answer(client->house->lease, client->number, answer->admitted.lease);
	if (client->is_over)
		return;
	if (answer == NULL || !answer->admitted.is_user_taken)
		client->trusted_user_id = 0;
	client->is_in_no_hurry = answer != NULL && answer->admitted.is_roomy;
	if (answer == NULL)
		tell_stays(client);
	if (answer == NULL || answer->admitted.admission == ADMISSION_GRANTED)
		client_begin(client);
	else
		refuse(client, &answer->admitted);
}

void
admission_ask(struct client *client)
{
	struct link *link = role_link(client->house->role, ROLE_ACCOUNTS, 0);
	const char *login = config_trusted_user(client->config, client->address.bytes);
	const struct grant *grant =
	    login == NULL ? NULL : grant_table_find_login(client->house->grants, login);
	struct msg_admit message = {
	    .connection = client->number,
	    .address = address_of(client),
	    .is_trusted = login != NULL,
	    .user_id = grant == NULL ? 0 : grant->user_id,
	};

	if (link == NULL) {
		client_begin(client);
		return;
	}
	client->trusted_user_id = message.user_id;
	if (message.is_trusted && lease_take(client->house->lease)) {
		enter_on_lease(client, link);
		return;
	}
	message.wants_lease = message.is_trusted && lease_ask(client->house->lease, client->number);
	client->admission = link;
	client->admission_request =
	    link_request(link, MSG_ADMIT, &message, ADMIT_DEADLINE_MS, on_admitted, client);
}

void
admission_end(struct client *client)
{
	struct link *link = role_link(client->house->role, ROLE_ACCOUNTS, 0);
	struct msg_left message = {.connection = client->number};

	if (client->admission != NULL) {
		link_cancel(client->admission, client->admission_request);
		lease_on_no_answer(client->house->lease, client->number);
	}
	client->admission = NULL;
	if (link == NULL)
		return;
	if (client->is_in_no_hurry)
		link_send_lazily(link, MSG_LEFT, &message);
	else
		link_send(link, MSG_LEFT, &message);
}

void
admission_tell_all(struct client_house *house, struct link *link)
{
	struct msg_list_builder clients = {0};
	unsigned count = 0;

	LIST_EACH (&house->clients, at) {
		add_client(&clients, LIST_ENTRY(at, struct client, link), &count);
		if (count == CLIENTS_A_MESSAGE)
			tell(link, &clients, &count);
	}
	tell(link, &clients, &count);
}

void
admission_give_back(void *ctx)
{
	static const struct msg_lease_end message;
	struct client_house *house = ctx;
	struct link *link = role_link(house->role, ROLE_ACCOUNTS, 0);

	if (link != NULL)
		link_send(link, MSG_LEASE_END, &message);
}
