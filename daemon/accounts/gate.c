/* gate - from messages to presence and back. */
#include "daemon/accounts/gate.h"

#include <string.h>

static bool
take_address(struct msg_bytes bytes, struct netaddr *address_out)
{
	if (bytes.size != sizeof(address_out->bytes))
		return false;
	memcpy(address_out->bytes, bytes.at, sizeof(address_out->bytes));
	return true;
}

void
gate_call_back(struct parts *parts)
{
	static const struct msg_lease_end message;

	for (unsigned smtpd = 0; smtpd < SMTPD_PROCESSES_MAX; smtpd++)
		if (parts->smtpds[smtpd] != NULL && presence_call_back(parts->presence, smtpd))
			link_send(parts->smtpds[smtpd], MSG_LEASE_END, &message);
}

static void
judge(struct parts *parts, struct link *link, const struct msg_admit *message,
    const struct netaddr *address, struct msg_admitted *answer_out)
{
	struct netaddr origin = netaddr_origin(address);

	if (!message->is_trusted)
		answer_out->until_ms = guessing_refuses(parts->guessing, &origin);
	answer_out->admission = answer_out->until_ms != 0
				    ? ADMISSION_SHUT_OUT
				    : (uint8_t)presence_admit(parts->presence,
					  link_peer_index(link), message->connection, address);
	if (answer_out->admission == ADMISSION_GRANTED && message->user_id != 0)
		answer_out->is_user_taken = presence_take_user(
		    parts->presence, link_peer_index(link), message->connection, message->user_id);
	answer_out->is_roomy = presence_is_roomy(parts->presence);
	if (message->wants_lease)
		answer_out->lease = presence_lend(parts->presence, link_peer_index(link));
}

void
gate_admit(
    struct parts *parts, struct link *link, uint32_t request_id, const struct msg_admit *message)
{
	struct msg_admitted answer = {.admission = ADMISSION_GRANTED};
	struct netaddr address;

	if (take_address(message->address, &address))
		judge(parts, link, message, &address, &answer);
	link_answer(link, request_id, MSG_ADMITTED, &answer);
	gate_call_back(parts);
}

void
gate_abuse(struct parts *parts, struct link *link, const struct msg_abuse *message)
{
	struct netaddr origin;

	if (presence_find(parts->presence, link_peer_index(link), message->connection, &origin))
		guessing_note_abuse(parts->guessing, &origin, message->what);
}

void
gate_leave(struct parts *parts, struct link *link, const struct msg_left *message)
{
	presence_leave(parts->presence, link_peer_index(link), message->connection);
}

void
gate_restore(struct parts *parts, struct link *link, const struct msg_present *message)
{
	struct msg_list clients = message->clients;
	struct rec_client client;
	struct netaddr address;

	while (message_list_next(&clients, REC_CLIENT, &client)) {
		if (message->is_leased)
			presence_use_lease(parts->presence, link_peer_index(link));
		if (take_address(client.address, &address))
			presence_restore(parts->presence, link_peer_index(link), client.connection,
			    &address, client.user_id);
	}
	gate_call_back(parts);
}

void
gate_end_lease(struct parts *parts, struct link *link)
{
	presence_end_lease(parts->presence, link_peer_index(link));
}

/* ---- logins ---- */

int64_t
gate_shut_until(unsigned smtpd, uint64_t connection, const char *login, void *ctx)
{
	struct parts *parts = ctx;
	struct netaddr origin;

	if (!presence_find(parts->presence, smtpd, connection, &origin))
		return 0;
	return guessing_shut_until(parts->guessing, &origin, login);
}

uint32_t
gate_on_attempt(const struct sasl_attempt *attempt, void *ctx)
{
	struct parts *parts = ctx;
	struct guess guess = {
	    .smtpd = attempt->smtpd,
	    .connection = attempt->connection,
	    .login = attempt->login,
	    .mechanism = attempt->mechanism,
	    .mark = attempt->guess,
	};

	if (!presence_find(parts->presence, attempt->smtpd, attempt->connection, &guess.origin))
		return 0;
	if (!attempt->is_good)
		return guessing_note_bad(parts->guessing, &guess);
	guessing_note_good(parts->guessing, &guess.origin, attempt->login);
	return 0;
}
