/*
 * mail - MAIL and RCPT: who the message is from, whether this user may send it, and to whom.
 *
 * MAIL may have to wait for accounts; its address and parameters wait in the transaction.
 */
#include "daemon/smtpd/session_private.h"

#include "common/clock.h"
#include "common/xalloc.h"
#include "daemon/smtpd/policy.h"

#include <stdlib.h>
#include <string.h>

/* ---- what stands on the line ---- */

/* The path behind the keyword; what is left in the verb are the parameters. */
static bool
take_path(struct session *session, struct smtp_verb *verb, enum mailaddr_path path,
    struct mailaddr *address_out)
{
	bool is_mail = path == MAILADDR_REVERSE;
	struct err err;
	size_t used;

	if (!smtp_verb_drop_keyword(verb, is_mail ? "FROM:" : "TO:")) {
		session_refuse(session, 501, "5.5.4", "Syntax: %s:<address>",
		    is_mail ? "MAIL FROM" : "RCPT TO");
		return false;
	}
	if (mailaddr_parse_path(verb->argument, verb->argument_length, path, address_out, &used,
		&err) != MAILADDR_OK) {
		session_refuse(session, 501, is_mail ? "5.1.7" : "5.1.3", "%s", err.text);
		return false;
	}
	verb->argument += used;
	verb->argument_length -= used;
	return true;
}

/* RFC 6531 3.4: an address that isn't ASCII needs MAIL's word for it. */
static bool
accept_characters(struct session *session, const struct mailaddr *address, bool is_smtputf8)
{
	if (is_smtputf8 || mailaddr_is_ascii(address))
		return true;
	session_refuse(
	    session, 553, "5.6.7", "An address that is not ASCII needs SMTPUTF8 at MAIL");
	return false;
}

static bool
accept_parameters(
    struct session *session, enum smtp_parameters_outcome outcome, const struct err *err)
{
	if (outcome == SMTP_PARAMETERS_MALFORMED)
		session_refuse(session, 501, "5.5.4", "%s", err->text);
	else if (outcome == SMTP_PARAMETERS_UNKNOWN)
		session_refuse(session, 555, "5.5.4", "%s", err->text);
	return outcome == SMTP_PARAMETERS_OK;
}

static bool
accept_size(struct session *session, const struct smtp_mail_parameters *parameters)
{
	uint64_t limit = session->setup.config->limits.message_size_bytes;

	if (!parameters->has_size || parameters->size_bytes <= limit)
		return true;
	session_refuse(
	    session, 552, "5.3.4", "Message too big (limit %llu bytes)", (unsigned long long)limit);
	return false;
}

/* Who asks for it must have it himself (RFC 8689 2). */
static bool
accept_tls(struct session *session, const struct smtp_mail_parameters *parameters)
{
	if (!parameters->requires_tls || session_has_tls(session))
		return true;
	session_refuse(
	    session, 530, "5.7.10", "Encryption needed: REQUIRETLS is for connections with TLS");
	return false;
}

/* HOLDFOR= and HOLDUNTIL= (RFC 4865 4); a time that has passed holds nothing. */
static bool
take_hold(struct session *session, const struct smtp_mail_parameters *parameters,
    int64_t *hold_until_ms_out)
{
	int64_t max_ms = session->setup.config->queue.hold_max_ms;
	int64_t now_ms = session->setup.ports->wall_ms(session->setup.ctx);
	int64_t until_ms = parameters->has_hold_until
			       ? parameters->hold_until_at_ms
			       : now_ms + INT64_C(1000) * parameters->hold_for_s;

	*hold_until_ms_out = until_ms > now_ms ? until_ms : 0;
	if (!parameters->has_hold_until && parameters->hold_for_s == 0)
		return true;
	if (max_ms == 0) {
		session_refuse(session, 555, "5.5.4", "Messages are not held here");
	} else if (!session->is_authenticated) {
		session_refuse(session, 530, "5.7.0", "Authentication required to hold a message");
	} else if (until_ms - now_ms > max_ms) {
		session_refuse(session, 501, "5.5.4", "A message is held for %lld seconds at most",
		    (long long)max_ms / 1000);
	} else {
		return true;
	}
	return false;
}

/* ---- whether it may be sent ---- */

static bool
queue_is_ready(struct session *session)
{
	switch (session->setup.ports->readiness(session->setup.ctx)) {
	case HANDOFF_READY:
		return true;
	case HANDOFF_FULL:
		session_refuse(session, 452, "4.3.1", "Insufficient storage");
		return false;
	default:
		session_refuse(session, 451, "4.3.0", "Storage failed, try again later");
		return false;
	}
}

/* Who logged in with a password that is no longer valid has to log in again. */
static bool
is_valid(const struct session *session, const struct grant *grant)
{
	if (grant == NULL || !grant->is_active)
		return false;
	return !session->is_authenticated || grant->credential == session->credential;
}

/* Who comes from a trusted network hears what all hear; the administrator has to learn why. */
static void
refuse_user(struct session *session, const struct grant *grant)
{
	const char *reason = "";

	if (!session->is_authenticated && grant == NULL)
		reason = "the trusted network's user does not exist";
	else if (!session->is_authenticated)
		reason = "the trusted network's user is not active";
	if (session->login == NULL && session->trusted_login != NULL)
		session->login = xstrdup(session->trusted_login);
	session_refuse_because(session, reason, 530, "5.7.0", "Authentication required");
	session_forget_user(session);
}

static bool
user_may_send(struct session *session, const struct grant *grant)
{
	if (!is_valid(session, grant)) {
		refuse_user(session, grant);
		return false;
	}
	if (grant->has_profile)
		return true;
	session_refuse(session, 451, "4.3.5",
	    "No profile takes the mail of user %.80s yet: an administrator makes one with "
	    "posternctl profile add NAME --host HOST --default, or lets the user use one that "
	    "there is (posternctl explain says what stands in the way)",
	    grant->login);
	return false;
}

/* How many recipients a message of the user may have, as far as is known here. */
static uint32_t
recipients_left(const struct session *session, const struct grant *grant, int64_t *until_ms_out)
{
	return session->setup.ports->user_limit(session->setup.ctx, grant->user_id, until_ms_out);
}

void
mail_refuse_limit(struct session *session, const struct grant *grant)
{
	int64_t until_ms;
	char time[32];

	(void)recipients_left(session, grant, &until_ms);
	/* Queue knows better than we do; a minute is the least that it counts in. */
	if (until_ms == 0)
		until_ms = session->setup.ports->wall_ms(session->setup.ctx) + 60000;
	session_refuse(session, 450, "4.7.1", "Limit of user %.200s reached, again after %s",
	    grant->login, clock_rfc3339(until_ms, time, sizeof(time)));
}

/* What was used up when the message comes is judged by queue, at its end. */
static bool
is_within_limit(struct session *session, const struct grant *grant)
{
	int64_t until_ms;

	if (recipients_left(session, grant, &until_ms) > 0)
		return true;
	mail_refuse_limit(session, grant);
	return false;
}

/* Who comes from a trusted network is its user until he logs in as another. */
static void
take_trusted_user(struct session *session, const struct grant *grant)
{
	if (session->is_authenticated || grant == NULL)
		return;
	free(session->login);
	session->login = xstrdup(grant->login);
	session->user_id = grant->user_id;
}

/* The second half of MAIL: what the user may do is known now, or can't be known. */
void
mail_take_grant(struct session *session, struct grant *grant, bool is_answered)
{
	session_enter(session, STATE_READY);
	if (is_answered)
		take_trusted_user(session, grant);
	if (!is_answered) {
		session_refuse(session, 451, "4.3.0", "Cannot look up the user, try again later");
	} else if (user_may_send(session, grant) && queue_is_ready(session) &&
		   is_within_limit(session, grant) && policy_passes_envelope(session, grant)) {
		session->transaction->grant = grant_hold(grant);
		session_enter(session, STATE_MAIL);
		session_reply(session, 250, "2.1.0", "Ok");
		return;
	}
	session_abandon_transaction(session);
}

/* What is known of the user; of a trusted network's one only if nobody else has his login by now. */
static struct grant *
find_grant(const struct session *session)
{
	const struct session_setup *setup = &session->setup;
	uint64_t user_id = session->user_id != 0 ? session->user_id : setup->trusted_user_id;
	struct grant *grant = user_id == 0 ? NULL : setup->ports->grant_find(setup->ctx, user_id);

	if (grant != NULL && session->user_id == 0 &&
	    strcmp(grant->login, session->trusted_login) != 0)
		return NULL;
	return grant;
}

static void
look_up_grant(struct session *session)
{
	const struct session_ports *ports = session->setup.ports;
	struct grant *grant = find_grant(session);

	if (grant != NULL) {
		mail_take_grant(session, grant, true);
		return;
	}
	session_enter(session, STATE_GRANT);
	ports->grant_get(session->setup.ctx, session->user_id,
	    session->user_id == 0 ? session->trusted_login : "");
}

void
mail_begin(struct session *session, struct smtp_verb *verb)
{
	struct smtp_mail_parameters parameters;
	struct mailaddr sender;
	int64_t hold_until_ms;
	struct err err;

	if (!take_path(session, verb, MAILADDR_REVERSE, &sender) ||
	    !accept_parameters(session,
		smtp_parameters_parse_mail(
		    verb->argument, verb->argument_length, &parameters, &err),
		&err) ||
	    !accept_characters(session, &sender, parameters.is_smtputf8) ||
	    !accept_size(session, &parameters) || !accept_tls(session, &parameters) ||
	    !take_hold(session, &parameters, &hold_until_ms))
		return;
	session_abandon_transaction(session); /* one whose chunks were refused */
	session->transaction = transaction_new(&sender, &parameters);
	session->transaction->hold_until_ms = hold_until_ms;
	session->transaction->began_at_ms = session->setup.ports->now_ms(session->setup.ctx);
	look_up_grant(session);
}

/* ---- RCPT ---- */

/* What is over the user's limit is for a message of its own, later. */
static bool
has_room(struct session *session)
{
	const struct transaction *transaction = session->transaction;
	size_t count = transaction->recipient_count;
	int64_t until_ms;
	uint32_t left = recipients_left(session, transaction->grant, &until_ms);

	if (count < session->setup.config->limits.recipients && (count < left || left == 0))
		return true;
	session_refuse(session, 452, "4.5.3", "Too many recipients");
	return false;
}

void
mail_add_recipient(struct session *session, struct smtp_verb *verb)
{
	struct transaction *transaction = session->transaction;
	bool is_smtputf8 = transaction->wishes.is_smtputf8;
	struct smtp_rcpt_parameters parameters;
	struct mailaddr address;
	struct err err;

	if (!has_room(session) || !is_within_limit(session, transaction->grant))
		return;
	if (!take_path(session, verb, MAILADDR_FORWARD, &address) ||
	    !accept_parameters(session,
		smtp_parameters_parse_rcpt(
		    verb->argument, verb->argument_length, is_smtputf8, &parameters, &err),
		&err) ||
	    !accept_characters(session, &address, is_smtputf8))
		return;
	transaction_add_recipient(transaction, address.text, &parameters);
	session_enter(session, STATE_RCPT);
	session_reply(session, 250, "2.1.5", "Ok");
}
