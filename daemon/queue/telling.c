/* telling - NOTIFY, and what must never have a notice. */
#include "daemon/queue/telling.h"

#include "common/clock.h"
#include "common/mailaddr.h"

#include <stdio.h>

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

enum dsn_action
telling_of_delay(const struct telling *telling, const struct recipient *recipient)
{
	bool is_told = telling->config->queue.has_bounces && recipient_is_pending(recipient) &&
		       recipient_hears_of_delay(recipient) &&
		       !telling_is_barred(telling, recipient);

	return is_told ? DSN_DELAYED : DSN_NONE;
}

void
telling_explain(const struct profile *profile, int64_t now_ms, char why[static TELLING_WHY_SIZE])
{
	char date[CLOCK_RFC5322_SIZE];

	*why = '\0';
	if (profile == NULL)
		(void)snprintf(why, TELLING_WHY_SIZE,
		    "No server takes this mail just now; an operator was told.");
	else if (profile->is_paused)
		(void)snprintf(why, TELLING_WHY_SIZE,
		    "An operator has paused the server that it goes through.");
	else if (profile->trouble == TROUBLE_STOPPED)
		(void)snprintf(why, TELLING_WHY_SIZE,
		    "The server that it goes through can't be used just now; an operator was "
		    "told.");
	else if (profile->trouble == TROUBLE_LIMITED)
		(void)snprintf(why, TELLING_WHY_SIZE,
		    "The server that it goes through takes no mail before %s.",
		    clock_rfc5322(profile->until_ms > now_ms ? profile->until_ms : now_ms, date,
			sizeof(date)));
	else if (profile->rate_until_ms != 0)
		(void)snprintf(why, TELLING_WHY_SIZE,
		    "More is to go through this server than it takes at a time.");
}
