/* authorize - the rules of sender authorization, and nothing else. */
#include "daemon/smtpd/authorize.h"

#include "common/utf8.h"

#include <stdio.h>
#include <string.h>

static const struct authorize_verdict yes = {.outcome = AUTHORIZE_YES, .reason = ""};

static struct authorize_verdict
refuse(const struct sender_rights *rights, enum authorize_side side, const char *address,
    const char *reason)
{
	struct authorize_verdict verdict = {
	    .outcome = rights->action == UNAUTHORIZED_ALERT ? AUTHORIZE_ALERT : AUTHORIZE_BLOCK,
	    .side = side,
	    .reason = reason,
	};

	memcpy(verdict.address, address,
	    utf8_cut(address, strlen(address), sizeof(verdict.address) - 1));
	return verdict;
}

static bool
is_unrestricted(const struct sender_rights *rights)
{
	return sender_rules_allow_any(rights->domains, rights->senders);
}

struct authorize_verdict
authorize_envelope(const struct sender_rights *rights, const char *sender)
{
	if (rights->check == CHECK_HEADER || sender[0] == '\0')
		return yes;
	if (sender_rules_allow(rights->domains, rights->senders, sender))
		return yes;
	return refuse(rights, AUTHORIZE_ENVELOPE, sender, "");
}

static struct authorize_verdict
refuse_unreadable(const struct sender_rights *rights, enum authorize_side side,
    const struct header_mailboxes *mailboxes)
{
	struct authorize_verdict verdict =
	    refuse(rights, side, mailboxes->text, "can't be read as addresses");

	memcpy(verdict.place, mailboxes->place, sizeof(verdict.place));
	return verdict;
}

static struct authorize_verdict
check_mailboxes(const struct sender_rights *rights, enum authorize_side side,
    const struct header_mailboxes *mailboxes)
{
	const struct addresses *addresses = &mailboxes->addresses;

	switch (mailboxes->outcome) {
	case HEADER_ABSENT:
		return yes;
	case HEADER_UNPARSABLE:
		return refuse_unreadable(rights, side, mailboxes);
	case HEADER_SEVERAL:
		return refuse(rights, side, mailboxes->text, "is there more than once");
	case HEADER_PARSED:
		break;
	}
	for (size_t i = 0; i < addresses->count; i++)
		if (!sender_rules_allow(rights->domains, rights->senders, addresses->items[i]))
			return refuse(rights, side, addresses->items[i], "");
	return yes;
}

struct authorize_verdict
authorize_header(
    const struct sender_rights *rights, const char *sender, const struct header *header)
{
	bool has_envelope = sender[0] != '\0' && rights->check != CHECK_HEADER;
	struct authorize_verdict verdict;

	if (is_unrestricted(rights))
		return yes;
	/* nothing that could be compared is no permission */
	if (header->from.outcome == HEADER_ABSENT && !has_envelope)
		return refuse(rights, AUTHORIZE_FROM, "", "is missing");
	if (rights->check == CHECK_ENVELOPE && has_envelope)
		return yes;
	verdict = check_mailboxes(rights, AUTHORIZE_FROM, &header->from);
	if (verdict.outcome != AUTHORIZE_YES)
		return verdict;
	return check_mailboxes(rights, AUTHORIZE_SENDER, &header->sender);
}

const char *
authorize_format(
    const struct authorize_verdict *verdict, const char *login, char *buffer, size_t size)
{
	static const char *const fields[] = {[AUTHORIZE_ENVELOPE] = "MAIL FROM",
	    [AUTHORIZE_FROM] = "From:",
	    [AUTHORIZE_SENDER] = "Sender:"};

	if (verdict->reason[0] == '\0')
		(void)snprintf(buffer, size, "<%s>: sender not authorized for user %s",
		    verdict->address, login);
	else
		(void)snprintf(buffer, size, "%s %s%s%s%s: sender not authorized for user %s",
		    fields[verdict->side], verdict->reason,
		    verdict->place[0] != '\0' ? " near \"" : "", verdict->place,
		    verdict->place[0] != '\0' ? "\"" : "", login);
	return buffer;
}
