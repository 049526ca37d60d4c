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
gate_admit(
    struct parts *parts, struct link *link, uint32_t request_id, const struct msg_admit *message)
{
	struct msg_admitted answer = {.admission = ADMISSION_GRANTED};
	struct netaddr address;

	if (take_address(message->address, &address))
		answer.admission = (uint8_t)presence_admit(
		    parts->presence, link_peer_index(link), message->connection, &address);
	link_answer(link, request_id, MSG_ADMITTED, &answer);
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

	while (message_list_next(&clients, REC_CLIENT, &client))
		if (take_address(client.address, &address))
			presence_restore(parts->presence, link_peer_index(link), client.connection,
			    &address, client.user_id);
}
