/* guessing_tell - what the log and the alerts say of clients that try passwords. */
#include "daemon/accounts/guessing_private.h"

#include "common/clock.h"
#include "common/log.h"

#include <stdio.h>

#define LOG_EVERY_MS 60000
#define TEXT_SHUT_OUT "Too many failed logins from your address"

void
guessing_log_refused(struct guessing *guessing, struct origin *origin)
{
	char address[NETADDR_ORIGIN_TEXT_SIZE];
	int64_t now_ms = loop_wall_ms(guessing->parts.loop);
	struct log_line line;

	origin->refused++;
	if (origin->logged_at_ms != 0 && now_ms - origin->logged_at_ms < LOG_EVERY_MS)
		return;
	origin->logged_at_ms = now_ms;
	if (!log_begin(&line, LOG_INFO, EVENT_REJECTED, 0))
		return;
	log_text(&line, KEY_CLIENT, netaddr_format_origin(&origin->address, address));
	log_number(&line, KEY_CODE, 421);
	log_text(&line, KEY_ENHANCED, "4.7.0");
	log_text(&line, KEY_REPLY, TEXT_SHUT_OUT);
	log_time(&line, KEY_UNTIL, origin->shut_until_ms);
	log_number(&line, KEY_COUNT, origin->refused);
	log_end(&line);
	origin->refused = 0;
}

void
guessing_alert_shut_out(
    struct guessing *guessing, const struct origin *origin, unsigned count, const char *what)
{
	char address[NETADDR_ORIGIN_TEXT_SIZE], until[CLOCK_RFC3339_SIZE], detail[400];
	struct msg_alert alert = {.kind = "guessing", .user = "", .list = "", .detail = detail};

	alert.address = netaddr_format_origin(&origin->address, address);
	(void)snprintf(detail, sizeof(detail), "%u guesses, the last one %.200s; shut out until %s",
	    count, what, clock_rfc3339(origin->shut_until_ms, until, sizeof(until)));
	alerts_raise(guessing->parts.alerts, &alert);
}

void
guessing_alert_known(
    struct guessing *guessing, const struct origin *origin, const struct known *known)
{
	char address[NETADDR_ORIGIN_TEXT_SIZE], detail[200];
	struct msg_alert alert = {
	    .kind = "guessing", .user = known->login, .list = "", .detail = detail};

	alert.address = netaddr_format_origin(&origin->address, address);
	(void)snprintf(detail, sizeof(detail),
	    "%u guesses at a user who has logged in from this address, and still may",
	    guessing->parts.config->limits.guesses);
	alerts_raise(guessing->parts.alerts, &alert);
}

void
guessing_alert_aim(struct guessing *guessing, const struct guess *guess, unsigned count)
{
	char address[NETADDR_ORIGIN_TEXT_SIZE], detail[200], login[256];
	const struct msg_alert alert = {
	    .kind = "guessing", .user = login, .list = "", .address = "", .detail = detail};

	(void)snprintf(login, sizeof(login), "%s", guess->login);
	(void)snprintf(detail, sizeof(detail),
	    "more than %u guesses at this login from all addresses, the last one from %s", count,
	    netaddr_format_origin(&guess->origin, address));
	alerts_raise(guessing->parts.alerts, &alert);
}
