/* advice_mail - the upstream was reached, and what it said is of the account or of the mail. */
#include "daemon/relay/advice.h"

void
advise_put_off(const struct advice *advice)
{
	const char *name = advice->profile->name;

	switch (advice->end->verdict.class) {
	case REPLY_RATE_CONN:
		advise(advice,
		    "The upstream takes fewer connections at a time: posternctl profile set %s "
		    "--connections 1.",
		    name);
		break;
	case REPLY_QUOTA_HOUR:
	case REPLY_QUOTA_DAILY:
		advise(advice,
		    "The account has sent as much as it may; it goes on by itself. A rate keeps "
		    "below that: posternctl profile set %s --recipient-rate %s.",
		    name, advice->end->verdict.class == REPLY_QUOTA_HOUR ? "100/h" : "500/d");
		break;
	case REPLY_RATE_REPUTATION:
		advise(advice,
		    "The upstream distrusts the address that this mail comes from, or what is "
		    "sent: look at who sent what (posternctl stats --by user), and ask its "
		    "provider.");
		break;
	case REPLY_PROTOCOL:
		advise(advice,
		    "The upstream doesn't follow the dialogue: look at ehlo, auth and port "
		    "(posternctl profile test %s --transcript).",
		    name);
		break;
	case REPLY_ACCOUNT_FULL:
		advise(advice,
		    "The account's own mailbox is full: make room in it, then posternctl profile "
		    "resume %s.",
		    name);
		break;
	case REPLY_ACCOUNT_DISABLED:
		advise(advice,
		    "The account is shut: its provider can say why. Then posternctl profile resume "
		    "%s.",
		    name);
		break;
	default:
		advise(advice,
		    "The upstream wants less mail at a time: it is left alone until then, and goes "
		    "on by itself. If it comes again: posternctl profile set %s --rate 10/m.",
		    name);
	}
}

/* Some upstreams refuse each recipient of who isn't logged in, in the words for one that they don't
 * have. */
static bool
may_want_login(const struct advice *advice)
{
	return advice->end->phase == PHASE_RCPT && advice->profile->auth_methods == 0 &&
	       advice->end->reply.code >= 500;
}

void
advise_mail(const struct advice *advice)
{
	if (may_want_login(advice)) {
		advise(advice,
		    "The upstream doesn't take mail for this recipient: try --to with another "
		    "address. If it takes none, it wants a login: ");
		advise_set(advice);
		advise(advice, " --username U --password-stdin.");
		return;
	}
	switch (advice->end->verdict.class) {
	case REPLY_BAD_RECIPIENT:
		advise(advice,
		    "The settings are right; the upstream doesn't take mail for this recipient: "
		    "try --to with another address.");
		break;
	case REPLY_RATE_RCPT:
	case REPLY_MAILBOX_FULL:
		advise(advice,
		    "The settings are right; the recipient can take no mail now: try --to with "
		    "another address, or later.");
		break;
	case REPLY_SENDER_DENIED:
		advise(advice, "The account may not send as this address: ");
		advise_set(advice);
		advise(advice, " --from ADDRESS --from-policy replace --envelope-sender ADDRESS.");
		break;
	case REPLY_TEMPORARY:
		advise(advice, "The settings are right; the upstream wants this message later%s",
		    advice->profile->is_tested
			? ". Mail in the queue would be tried again, a test message is not."
			: ", and postern tries again by itself.");
		break;
	default:
		advise(advice,
		    "The settings are right; the upstream refused this message: its words say "
		    "why.");
	}
}
