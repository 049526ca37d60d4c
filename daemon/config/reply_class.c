/* reply_class - a row for each class. */
#include "daemon/config/reply_class.h"

#include <stddef.h>
#include <string.h>

#define MINUTES(n) ((n)*60u)
#define HOURS(n) ((n)*3600u)

static const struct {
	const char *name;
	enum reply_effect effect;
	bool is_for_rules;
	struct reply_wait wait;
} rows[REPLY_CLASS_COUNT] = {
    [REPLY_NONE] = {"", EFFECT_NONE, false, {0}},
    [REPLY_RATE] = {"rate", EFFECT_PAUSE, true, {MINUTES(10), HOURS(2), false}},
    [REPLY_RATE_CONN] = {"rate-conn", EFFECT_PAUSE, true, {MINUTES(1), HOURS(1), false}},
    [REPLY_RATE_AUTH] = {"rate-auth", EFFECT_PAUSE, true, {MINUTES(15), HOURS(4), false}},
    [REPLY_RATE_REPUTATION] = {"rate-reputation", EFFECT_PAUSE, true, {HOURS(1), HOURS(4), false}},
    [REPLY_QUOTA_HOUR] = {"quota-hour", EFFECT_PAUSE, true, {HOURS(1), HOURS(1), false}},
    [REPLY_QUOTA_DAILY] = {"quota-daily", EFFECT_PAUSE, true, {MINUTES(30), HOURS(2), false}},
    [REPLY_AUTH_TEMP] = {"auth-temp", EFFECT_PAUSE, true, {MINUTES(1), MINUTES(30), false}},
    [REPLY_TLS_TEMP] = {"tls-temp", EFFECT_PAUSE, true, {MINUTES(1), MINUTES(30), false}},
    [REPLY_PROTOCOL] = {"protocol", EFFECT_PAUSE, true, {MINUTES(1), HOURS(1), false}},
    [REPLY_UNREACHABLE] = {"unreachable", EFFECT_PAUSE, false, {10, MINUTES(10), false}},
    [REPLY_TLS] = {"tls", EFFECT_PAUSE, false, {10, MINUTES(10), false}},
    [REPLY_AUTH_BAD] = {"auth-bad", EFFECT_STOP, true, {MINUTES(15), HOURS(4), false}},
    [REPLY_AUTH_POLICY] = {"auth-policy", EFFECT_STOP, true, {HOURS(1), HOURS(6), false}},
    [REPLY_ACCOUNT_DISABLED] = {"account-disabled", EFFECT_STOP, true, {HOURS(1), HOURS(6), false}},
    [REPLY_ACCOUNT_FULL] = {"account-full", EFFECT_STOP, true, {MINUTES(30), HOURS(4), false}},
    [REPLY_TLS_REQUIRED] = {"tls-required", EFFECT_STOP, true, {MINUTES(15), HOURS(4), false}},
    [REPLY_MISCONFIGURED] = {"misconfigured", EFFECT_STOP, false, {MINUTES(15), HOURS(4), false}},
    [REPLY_RATE_RCPT] = {"rate-rcpt", EFFECT_RECIPIENT, true, {0}},
    [REPLY_MAILBOX_FULL] = {"mailbox-full", EFFECT_RECIPIENT, true, {0}},
    [REPLY_BAD_RECIPIENT] = {"bad-recipient", EFFECT_RECIPIENT, true, {0}},
    [REPLY_TEMPORARY] = {"temporary", EFFECT_MESSAGE, true, {0}},
    [REPLY_CONTENT] = {"content", EFFECT_MESSAGE, true, {0}},
    [REPLY_POLICY] = {"policy", EFFECT_MESSAGE, true, {0}},
    [REPLY_SIZE] = {"size", EFFECT_MESSAGE, true, {0}},
    [REPLY_SENDER_DENIED] = {"sender-denied", EFFECT_MESSAGE, true, {0}},
    [REPLY_REFUSED] = {"refused", EFFECT_MESSAGE, false, {0}},
    [REPLY_SPLIT] = {"split", EFFECT_SPLIT, true, {0}},
};

const char *
phase_name(enum phase phase)
{
	static const char *const names[PHASE_COUNT] = {
	    [PHASE_TOKEN] = "token",
	    [PHASE_NAME] = "name",
	    [PHASE_POP3_NAME] = "pop3-name",
	    [PHASE_POP3_CONNECT] = "pop3-connect",
	    [PHASE_POP3_GREETING] = "pop3-greeting",
	    [PHASE_POP3_TLS] = "pop3-tls",
	    [PHASE_POP3_LOGIN] = "pop3-login",
	    [PHASE_CONNECT] = "connect",
	    [PHASE_GREETING] = "greeting",
	    [PHASE_EHLO] = "ehlo",
	    [PHASE_STARTTLS] = "starttls",
	    [PHASE_TLS] = "tls",
	    [PHASE_AUTH] = "auth",
	    [PHASE_MAIL] = "mail",
	    [PHASE_RCPT] = "rcpt",
	    [PHASE_DATA] = "data",
	    [PHASE_BODY] = "body",
	    [PHASE_DOT] = "dot",
	};

	return names[phase];
}

const char *reply_class_name(enum reply_class class)
{
	return (unsigned)class < REPLY_CLASS_COUNT ? rows[class].name : "";
}

enum reply_class
reply_class_parse(const char *name)
{
	unsigned class = REPLY_NONE + 1;

	while (class < REPLY_CLASS_COUNT && strcmp(rows[class].name, name) != 0)
		class ++;
	return (enum reply_class) class;
}

enum reply_effect reply_class_effect(enum reply_class class)
{
	return (unsigned)class < REPLY_CLASS_COUNT ? rows[class].effect : EFFECT_NONE;
}

bool reply_class_is_account(enum reply_class class)
{
	enum reply_effect effect = reply_class_effect(class);

	return effect == EFFECT_PAUSE || effect == EFFECT_STOP;
}

bool reply_class_is_for_rules(enum reply_class class)
{
	return (unsigned)class < REPLY_CLASS_COUNT && rows[class].is_for_rules;
}

struct reply_wait reply_class_wait(enum reply_class class)
{
	static const struct reply_wait none;

	return (unsigned)class < REPLY_CLASS_COUNT ? rows[class].wait : none;
}
