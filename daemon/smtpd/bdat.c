/*
 * bdat - BDAT (RFC 3030 2): how many octets follow, and where they go when there is nothing that
 * they could belong to. Those of a message go the way of DATA's text, see receive.c.
 */
#include "daemon/smtpd/session_private.h"

#include "common/octet.h"

#include <strings.h>

static bool
take_size(const char **at, const char *end, uint64_t *size_out)
{
	const char *start = *at;

	*size_out = 0;
	for (; *at < end && !octet_is_blank(**at); (*at)++) {
		uint64_t digit = (uint64_t)(**at - '0');

		if (**at < '0' || **at > '9' || *size_out > (UINT64_MAX - digit) / 10)
			return false;
		*size_out = *size_out * 10 + digit;
	}
	return *at > start;
}

static bool
parse(const struct smtp_verb *verb, struct bdat *out)
{
	const char *at = verb->argument, *end = at + verb->argument_length;

	if (!take_size(&at, end, &out->size))
		return false;
	while (at < end && octet_is_blank(*at))
		at++;
	out->left = out->size;
	out->is_last = at < end;
	return at == end || (end - at == 4 && strncasecmp(at, "LAST", 4) == 0);
}

static void
end_stray(struct session *session)
{
	session_enter(session, session->bdat.back);
	session_refuse(session, 503, "5.5.1", "%s",
	    session->state == STATE_START ? "Send EHLO first" : "Send MAIL and RCPT first");
}

size_t
bdat_skip(struct session *session, size_t size)
{
	if (size > session->bdat.left)
		size = (size_t)session->bdat.left;
	session->bdat.left -= size;
	session_enter(session, STATE_SKIP);
	if (session->bdat.left == 0)
		end_stray(session);
	return size;
}

void
bdat_begin(struct session *session, struct smtp_verb *verb)
{
	enum session_state state = session->state;

	if (!parse(verb, &session->bdat)) {
		/* where the chunk ends and commands begin again can't be known */
		session_refuse(session, 501, "5.5.4", "Syntax: BDAT size [LAST]");
		session_end(session);
	} else if (session->bdat.size == 0 && !session->bdat.is_last &&
		   !pace_allows_command(session)) {
		return;
	} else if (state & (STATE_RCPT | STATE_CHUNKS | STATE_FAILED)) {
		receive_begin_chunk(session);
	} else {
		session->bdat.back = state;
		(void)bdat_skip(session, 0);
	}
}
