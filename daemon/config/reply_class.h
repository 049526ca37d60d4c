/*
 * reply_class - what replies of an upstream mean, in the words of conf/replies.conf
 *
 * Owns     nothing
 * Context  pure
 * Units    seconds
 *
 * Numbers travel between processes of one build only; on disk and in the API stand the names.
 */
#ifndef POSTERN_CONFIG_REPLY_CLASS_H
#define POSTERN_CONFIG_REPLY_CLASS_H

#include <stdbool.h>
#include <stdint.h>

/* The steps of a dialogue, in their order. */
enum phase {
	PHASE_TOKEN, /* of OAuth2 */
	PHASE_NAME,
	PHASE_POP3_NAME, /* POP-before-SMTP, up to PHASE_POP3_LOGIN */
	PHASE_POP3_CONNECT,
	PHASE_POP3_GREETING,
	PHASE_POP3_TLS,
	PHASE_POP3_LOGIN,
	PHASE_CONNECT,
	PHASE_GREETING,
	PHASE_EHLO,
	PHASE_STARTTLS,
	PHASE_TLS,
	PHASE_AUTH,
	PHASE_MAIL,
	PHASE_RCPT,
	PHASE_DATA,
	PHASE_BODY,
	PHASE_DOT,
	PHASE_COUNT
};

const char *phase_name(enum phase phase);

enum reply_class {
	REPLY_NONE, /* nothing is wrong */
	/* the account waits */
	REPLY_RATE,
	REPLY_RATE_CONN,
	REPLY_RATE_AUTH,
	REPLY_RATE_REPUTATION,
	REPLY_QUOTA_HOUR,
	REPLY_QUOTA_DAILY,
	REPLY_AUTH_TEMP,
	REPLY_TLS_TEMP,
	REPLY_PROTOCOL,
	REPLY_UNREACHABLE, /* no reply, or one that keeps us out without saying more */
	REPLY_TLS,         /* the encryption failed, or the certificate was not accepted */
	/* the account is stopped */
	REPLY_AUTH_BAD,
	REPLY_AUTH_POLICY,
	REPLY_ACCOUNT_DISABLED,
	REPLY_ACCOUNT_FULL,
	REPLY_TLS_REQUIRED,
	REPLY_MISCONFIGURED, /* what the profile asks for can't be done */
	/* only the recipient */
	REPLY_RATE_RCPT,
	REPLY_MAILBOX_FULL,
	REPLY_BAD_RECIPIENT,
	/* only the message */
	REPLY_TEMPORARY,
	REPLY_CONTENT,
	REPLY_POLICY,
	REPLY_SIZE,
	REPLY_SENDER_DENIED,
	REPLY_REFUSED, /* a 5xx that nobody knows more of */
	/* at once, in another way */
	REPLY_SPLIT,
	REPLY_CLASS_COUNT
};

enum reply_effect {
	EFFECT_NONE,
	EFFECT_PAUSE, /* the account sends nothing for a time */
	EFFECT_STOP,  /* until an operator acts; it is tried now and then */
	EFFECT_RECIPIENT,
	EFFECT_MESSAGE,
	EFFECT_SPLIT
};

/* How long to wait: the first time, and at the most when it doubles. */
struct reply_wait {
	uint32_t first_s, most_s; /* 0: the class's own, or the schedule of the message */
	bool is_exact;            /* first_s is what the upstream itself said */
};

/* What no reply and no rule may ask for more than. */
#define REPLY_WAIT_MAX_S (24u * 60 * 60)

/* "" for REPLY_NONE and for what is no class. */
const char *reply_class_name(enum reply_class class);
/* REPLY_CLASS_COUNT: there is none of this name. */
enum reply_class reply_class_parse(const char *name);
enum reply_effect reply_class_effect(enum reply_class class);
/* EFFECT_PAUSE or EFFECT_STOP: it is never a message's fault. */
bool reply_class_is_account(enum reply_class class);
/* Whether a rule may name it: the others are found without one. */
bool reply_class_is_for_rules(enum reply_class class);
/* Where no rule says more; zeroes for those of messages and recipients. */
struct reply_wait reply_class_wait(enum reply_class class);

#endif
