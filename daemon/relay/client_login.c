/*
 * client_login - the client's side of AUTH (RFC 4954), and which method comes next.
 *
 * For each method the driver is asked for a credential: it knows how many logins may yet fail. A
 * method that the upstream can't do after all makes way for the next one; a password that it
 * refused is said once more by LOGIN or PLAIN, since upstreams announce what they can't check,
 * but only to one that we are sure of.
 */
#include "daemon/relay/client_private.h"
#include "daemon/relay/stars.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A command line has 512 octets (RFC 5321 4.5.3.1.4); a longer initial response waits for 334. */
#define INITIAL_RESPONSE_MAX 480

/* ---- which method ---- */

static bool
has_choice(const struct client *client)
{
	unsigned methods = client->settings->auth_methods;

	return (methods & (methods - 1)) != 0;
}

/* Who wants TLS where it can be had says nothing of credentials without: none are sent then. Who turns
 * TLS off and names the method has decided; with a choice the secret itself isn't shown to a network. */
static bool
is_barred(const struct client *client, const struct auth_traits *traits)
{
	const struct client_settings *settings = client->settings;

	if (client->has_tls || settings->allows_clear || !traits->has_secret)
		return false;
	if (settings->tls != PROFILE_NONE)
		return true;
	return (traits->is_plain || traits->is_token) && has_choice(client) &&
	       !settings->is_loopback;
}

static bool
is_possible(const struct client *client, enum auth_method method)
{
	const struct auth_traits *traits = auth_traits(method);

	if (traits->is_bound && client->settings->binding == NULL)
		return false;
	if (method == AUTH_EXTERNAL)
		return client->has_tls && client->settings->has_certificate;
	return !is_barred(client, traits);
}

/* Something that the profile wants is barred; without TLS being wanted, of what the upstream offers. */
static bool
has_barred(const struct client *client)
{
	unsigned wanted = client->settings->auth_methods;

	if (client->settings->tls == PROFILE_NONE)
		wanted &= client->capabilities.auth_methods;
	for (unsigned i = 0; i < AUTH_METHODS; i++)
		if ((wanted & AUTH_BIT(i)) != 0 && is_barred(client, auth_traits(i)))
			return true;
	return false;
}

static const char *
bar_text(const struct client *client)
{
	return client->settings->tls == PROFILE_NONE
		   ? "there is no encryption, and the upstream takes only methods that show the "
		     "password"
		   : "there is no encryption, and credentials are not sent in clear";
}

static const char *
no_method_text(const struct client *client, char *text, size_t size)
{
	size_t used = (size_t)snprintf(
	    text, size, "the upstream offers no AUTH method that the profile allows, but");

	for (unsigned i = 0; i < AUTH_METHODS && used < size; i++)
		if ((client->capabilities.auth_methods & AUTH_BIT(i)) != 0)
			used +=
			    (size_t)snprintf(text + used, size - used, " %s", auth_method_name(i));
	if (client->capabilities.auth_methods == 0)
		(void)snprintf(text + used, size - used, " others that are not known here");
	return text;
}

/* `text` is room for what has no words of its own. */
static const char *
auth_obstacle(const struct client *client, unsigned usable, enum attempt_outcome *outcome_out,
    char *text, size_t size)
{
	*outcome_out = ATTEMPT_TLS;
	if (usable == 0 && has_barred(client))
		return bar_text(client);
	*outcome_out = ATTEMPT_MISCONFIGURED;
	if (!client->capabilities.has_auth)
		return !client->has_tls && client->capabilities.has_starttls
			   ? "the upstream does not offer AUTH without STARTTLS"
			   : "the upstream does not offer AUTH";
	if (usable == 0)
		return no_method_text(client, text, size);
	return NULL;
}

/* Of the methods, those that can be done on this connection. */
static unsigned
possible_methods(const struct client *client)
{
	unsigned possible = 0;

	for (unsigned i = 0; i < AUTH_METHODS; i++)
		if (is_possible(client, i))
			possible |= AUTH_BIT(i);
	return possible;
}

static unsigned
usable_methods(const struct client *client)
{
	return client->settings->auth_methods & client->capabilities.auth_methods &
	       possible_methods(client) & ~client->methods_refused;
}

/* The upstream is who it should be. */
static bool
is_trusted(const struct client *client)
{
	return client->has_tls && client->settings->verifies;
}

/* What worked before, or the strongest. */
static enum auth_method
choose(const struct client *client, unsigned worked)
{
	unsigned methods = client->next_methods;
	enum auth_method method = 0;

	if ((methods & worked) != 0)
		methods &= worked;
	while ((methods & AUTH_BIT(method)) == 0)
		method++;
	return method;
}

/* ---- secrets ---- */

void
client_forget_exchange(struct client *client)
{
	client_auth_free(client->auth);
	client->auth = NULL;
	client->awaits_key = false;
	client_wipe(&client->initial);
}

void
client_forget_auth(struct client *client)
{
	client_forget_exchange(client);
	client_wipe(&client->token);
	client_wipe(&client->secret);
}

void
client_hide_secrets(const struct client *client, char *text)
{
	stars_over(text, client->secret.bytes, client->secret.size);
	stars_over(text, client->token.bytes, client->token.size);
}

/* A line of AUTH; `shown` stands for it in the transcript. The token stays: the server may repeat
 * it later on. */
static void
put_token(struct client *client, const char *prefix, const char *token)
{
	struct buf line;
	char shown[64];

	(void)snprintf(shown, sizeof(shown), "%s%s", prefix, *token == '\0' ? "" : "<secret>");
	buf_init(&line);
	buf_text(&line, prefix);
	buf_text(&line, token);
	client_wipe(&client->token);
	buf_text(&client->token, token);
	client_put_secret(client, line.bytes, shown);
	client_wipe(&line);
}

/* ---- the exchange ---- */

static void
say_auth(struct client *client)
{
	const char *name = auth_method_name(client->method);
	char prefix[64];

	(void)snprintf(prefix, sizeof(prefix), "AUTH %s ", name);
	if (!client_auth_is_first(client->auth) || client->initial.size > INITIAL_RESPONSE_MAX) {
		client_put(client, "AUTH %s", name);
		return;
	}
	put_token(client, prefix, client->initial.size > 0 ? client->initial.bytes : "=");
	client_wipe(&client->initial);
}

static int
start_method(struct client *client, struct err *err_out)
{
	const struct client_auth_settings settings = {
	    .method = client->method,
	    .username = client->settings->username,
	    .secret = client->secret.bytes,
	    .binding = client->settings->binding,
	    .host = client->settings->host,
	    .port = client->settings->port,
	};

	client->challenges = 0;
	client->auth = client_auth_new(&settings, err_out);
	if (client->auth == NULL)
		return -1;
	if (client_auth_is_first(client->auth) &&
	    client_auth_step(client->auth, "", &client->initial, err_out) != AUTH_STEP_ANSWERS)
		return -1;
	say_auth(client);
	return 0;
}

/* What can't be answered is cancelled (RFC 4954 section 4); the upstream then says 501. */
static enum client_event
go_on(struct client *client, enum auth_step step, struct buf *answer, const struct err *err)
{
	client->awaits_key = step == AUTH_STEP_WANTS_KEY;
	if (step == AUTH_STEP_WANTS_KEY)
		return CLIENT_WANTS_KEY;
	if (step == AUTH_STEP_ANSWERS) {
		put_token(client, "", answer->size > 0 ? answer->bytes : "");
	} else {
		client->cancelled = *err;
		client_put(client, "*");
	}
	return CLIENT_WAITS;
}

/* It was told all that there is to tell, or that the exchange is over: it would ask for ever. */
static enum client_event
end_endless(struct client *client)
{
	client_forget_exchange(client);
	return client_end_by_us(client, ATTEMPT_AUTH_LATER,
	    "the upstream asks on and on in the login, and never says whether it takes it");
}

static enum client_event
on_challenge(struct client *client, const struct smtp_reply *reply)
{
	struct buf answer;
	struct err err;
	enum client_event event;
	enum auth_step step = AUTH_STEP_ANSWERS;

	if (++client->challenges > auth_traits(client->method)->challenges_max)
		return end_endless(client);
	if (client->initial.size > 0) { /* it was too long for the command */
		put_token(client, "", client->initial.bytes);
		client_wipe(&client->initial);
		return CLIENT_WAITS;
	}
	buf_init(&answer);
	step = client_auth_step(client->auth, smtp_reply_text(reply), &answer, &err);
	event = go_on(client, step, &answer, &err);
	client_wipe(&answer);
	return event;
}

struct scram_key *
client_take_key(struct client *client)
{
	return client_auth_take_key(client->auth);
}

enum client_event
client_use_key(struct client *client, struct scram_key *key)
{
	struct buf answer;
	struct err err;
	enum client_event event;

	if (!client->awaits_key) {
		scram_key_free(key);
		return CLIENT_WAITS; /* it has ended meanwhile */
	}
	client_next_step(client);
	buf_init(&answer);
	event = go_on(client, client_auth_use_key(client->auth, key, &answer, &err), &answer, &err);
	client_wipe(&answer);
	return event;
}

/* ---- its end ---- */

static void
tell(const struct client *client, enum login_result result, const char *words)
{
	if (client->settings->on_login != NULL)
		client->settings->on_login(
		    result, AUTH_BIT(client->method), words, client->settings->login_ctx);
}

static bool
has_word(const struct smtp_reply *reply, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcasestr(smtp_reply_text(reply), *words) != NULL)
			return true;
	return false;
}

/* 504: it does not know the method after all. Others say it in words. */
static bool
is_unsupported(const struct client *client, const struct smtp_reply *reply)
{
	static const char *const words[] = {"mechanism", "authentication type", "not supported",
	    "unsupported", "channel binding", "channel-binding", NULL};

	if (reply->code == 504 || client_auth_is_unsupported(client->auth))
		return true;
	return reply->code / 100 == 5 && reply->code != 534 && has_word(reply, words);
}

static unsigned
after_refusal(const struct client *client, const struct smtp_reply *reply)
{
	static const char *const judged[] = {"password", "log in", "sign in", NULL};
	bool was_plain = auth_traits(client->method)->is_plain;

	/* The method is too weak; but Google means the password. */
	if (reply->code == 534 && !has_word(reply, judged))
		return usable_methods(client);
	if (was_plain || !is_trusted(client) || reply->code / 100 != 5)
		return 0;
	return usable_methods(client) & auth_methods_plain();
}

/* Whom we would not answer is told the secret itself only if we are sure of him. */
static unsigned
after_cancelled(const struct client *client)
{
	return usable_methods(client) & (is_trusted(client) ? ~0u : ~auth_methods_plain());
}

static enum client_event
end_cancelled(struct client *client, const struct smtp_reply *reply)
{
	struct reply ours;

	reply_set(&ours, (uint16_t)reply->code, "", "%s (the upstream: %.300s)",
	    client->cancelled.text, smtp_reply_text(reply));
	return client_end_reply(client, &ours);
}

/* What the upstream said, and before that in a challenge. */
static void
note_refusal(struct client *client, const struct smtp_reply *reply)
{
	const char *detail = client_auth_detail(client->auth);
	struct reply *refusal = &client->refusal;
	size_t size;

	client_read_reply(reply, refusal);
	size = strlen(refusal->text);
	if (*detail != '\0')
		(void)snprintf(refusal->text + size, sizeof(refusal->text) - size, " (%s)", detail);
	client_hide_secrets(client, refusal->text);
}

/* The token may have been revoked: the same once more, with a new one. */
static bool
may_renew(const struct client *client, const struct smtp_reply *reply)
{
	return client->is_renewable && !client->is_renewed && reply->code / 100 == 5 &&
	       client->cancelled.text[0] == '\0' && !is_unsupported(client, reply);
}

static unsigned
next_methods(const struct client *client, const struct smtp_reply *reply)
{
	if (client->is_renewed)
		return AUTH_BIT(client->method);
	if (reply->code / 100 != 5 || !has_choice(client))
		return 0;
	if (client->cancelled.text[0] != '\0')
		return after_cancelled(client);
	return is_unsupported(client, reply) ? usable_methods(client)
					     : after_refusal(client, reply);
}

/* 534 and 535 may count as a wrong password there, whatever their words. */
static void
tell_refused(const struct client *client, const struct smtp_reply *reply)
{
	bool was_judged = reply->code / 100 == 5 && client->cancelled.text[0] == '\0' &&
			  !is_unsupported(client, reply);
	char words[200];

	if (was_judged || reply->code == 534 || reply->code == 535)
		tell(client, LOGIN_REFUSED, smtp_reply_format(reply, words, sizeof(words)));
	else
		tell(client, LOGIN_UNDECIDED, "");
}

static enum client_event
on_refused(struct client *client, const struct smtp_reply *reply)
{
	bool was_unsupported = is_unsupported(client, reply);

	client->methods_refused |= AUTH_BIT(client->method);
	client->is_renewed = may_renew(client, reply);
	client->next_methods = next_methods(client, reply);
	tell_refused(client, reply);
	note_refusal(client, reply);
	client_forget_exchange(client);
	if (client->next_methods == 0 && client->cancelled.text[0] != '\0')
		return end_cancelled(client, reply);
	if (client->next_methods == 0 && was_unsupported && has_barred(client))
		return client_end_by_us(client, ATTEMPT_TLS, bar_text(client));
	if (client->next_methods == 0)
		return client_end_reply(client, &client->refusal);
	client->cancelled.text[0] = '\0';
	client->is_second = true;
	client_next_step(client);
	return CLIENT_WANTS_CREDENTIAL;
}

static enum client_event
on_accepted(struct client *client)
{
	bool is_proved = client_auth_is_proved(client->auth);

	client_forget_exchange(client);
	if (!is_proved) {
		tell(client, LOGIN_UNDECIDED, "");
		return client_end_by_us(client, ATTEMPT_AUTH_REFUSED,
		    "the upstream took the login without the proof that it knows the password, "
		    "which this method asks for: it may be somebody else");
	}
	client->has_authenticated = true;
	tell(client, LOGIN_GOOD, "");
	return client_become_ready(client);
}

/* ---- the states' side ---- */

enum client_event
client_begin_auth(struct client *client)
{
	unsigned usable = usable_methods(client);
	enum attempt_outcome outcome;
	const char *obstacle;
	char text[300];

	if (client->settings->auth_methods == 0)
		return client_become_ready(client);
	obstacle = auth_obstacle(client, usable, &outcome, text, sizeof(text));
	client_enter(client, CLIENT_STATE_AUTH);
	if (obstacle != NULL)
		return client_end_by_us(client, outcome, obstacle);
	client->next_methods = usable;
	return CLIENT_WANTS_CREDENTIAL;
}

enum client_event
client_credential(struct client *client, const struct credential *credential)
{
	struct err err;

	if (client->state != CLIENT_STATE_AUTH)
		return CLIENT_WAITS; /* it has ended meanwhile */
	/* What the upstream said to the first method says more, unless it was to an old token. */
	if (credential->problem != NULL && client->is_second && !client->is_renewed)
		return client_end_reply(client, &client->refusal);
	if (credential->problem != NULL)
		return client_end_by_us(client, credential->outcome, credential->problem);
	client_next_step(client);
	client->is_renewable = credential->is_renewable;
	client_wipe(&client->secret);
	buf_text(&client->secret, credential->secret);
	client->method = choose(client, client->is_second ? 0 : credential->worked);
	if (start_method(client, &err) != 0)
		return client_end_by_us(client, ATTEMPT_MISCONFIGURED, err.text);
	return CLIENT_WAITS;
}

enum client_event
client_on_auth(struct client *client, const struct smtp_reply *reply)
{
	if (client->auth == NULL || client->awaits_key) /* nothing was asked */
		return client_end_refused(client, reply);
	/* Only a refusal answers a `*`. */
	if (client->cancelled.text[0] != '\0' && reply->code < 400)
		return end_endless(client);
	if (reply->code == 334)
		return on_challenge(client, reply);
	if (client_is_positive(reply))
		return on_accepted(client);
	return on_refused(client, reply);
}
