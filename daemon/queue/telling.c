/* telling - NOTIFY, and what must never have a notice. */
#include "daemon/queue/telling.h"

#include "common/mailaddr.h"

static bool
is_bounce_sender(const struct routes *routes, const char *address)
{
	IDMAP_EACH(&routes->profiles, slot)
	{
		const struct profile *profile = slot->object;

		if (!profile->is_gone && *profile->bounce_sender != '\0' &&
		    mailaddr_equals(profile->bounce_sender, address))
			return true;
	}
	return false;
}

bool
telling_is_barred(const struct telling *telling, const struct recipient *recipient)
{
	const struct mail *mail = telling->mail;

	return mail->is_notice || *mail->sender == '\0' ||
	       is_bounce_sender(telling->routes, mail->sender) ||
	       is_bounce_sender(telling->routes, recipient->address);
}

/* RFC 3461 4.1, 5.2.2, 5.2.3. Of failures a sender hears unless he said otherwise, of success only
 * if he wants to and nobody further on will tell him. */
enum dsn_action
telling_of_fate(const struct telling *telling, const struct recipient *recipient,
    const struct fate_row *row, bool is_captured)
{
	uint8_t notify = recipient->notify;

	if (telling_is_barred(telling, recipient))
		return DSN_NONE;
	if (row->state == RECIPIENT_FAILED && telling->config->queue.has_bounces &&
	    (notify == NOTIFY_UNSAID || (notify & NOTIFY_FAILURE) != 0))
		return DSN_FAILED;
	if (row->state != RECIPIENT_DELIVERED || (notify & NOTIFY_SUCCESS) == 0 || row->has_dsn)
		return DSN_NONE;
	return is_captured ? DSN_DELIVERED : DSN_RELAYED;
}
