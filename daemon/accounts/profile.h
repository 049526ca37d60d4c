/*
 * profile - an upstream: where mail goes, and how
 *
 * Owns     the row's texts, until table_row_fini(&profile_table, …)
 * Units    milliseconds
 *
 * A row has what an operator chose; what nobody chose is NULL or 0 and gets its default from
 * profile_apply_defaults() each time it's used.
 */
#ifndef POSTERN_ACCOUNTS_PROFILE_H
#define POSTERN_ACCOUNTS_PROFILE_H

#include "daemon/accounts/db.h"
#include "daemon/accounts/table.h"
#include "daemon/core/messages.h"

#include <stdbool.h>

struct profile {
	int64_t id;
	char *name;
	bool is_default, paused;
	char *provider;  /* see presets.h; NULL: none */
	int64_t version; /* grows with each that profile_change.h speaks of */
	char *host;
	int64_t port;
	char *tls, *tls_min, *tls_max, *tls_verify;
	char *ca;                 /* PEM */
	char *client_certificate; /* PEM, with its chain */
	char *client_key;         /* PEM, sealed */
	char *auth, *username;
	char *password;    /* sealed */
	char *auth_worked; /* the method that the upstream took last; NULL: not known */
	bool auth_in_clear;
	char *ehlo;
	int64_t timeout, dot_timeout; /* ms */
	int64_t connections;
	char *rate, *recipient_rate; /* see common/rate.h */
	int64_t bandwidth;           /* bytes a second */
	int64_t reserve;             /* percent */
	bool spread;                 /* evenly over the rates' periods */
	char *connection_rate;       /* new ones */
	int64_t messages_per_connection,
	    recipients_per_message; /* FIELD_NO_LIMIT, or 0: not chosen */
	char *retry;                /* as queue.retry */
	char *uncertain, *transcript;
	char *bounce_sender;
	char *from;      /* the sender's address that it is for, and that mail through it has */
	char *available; /* as available_parse() has it; NULL: all */
	char *fallback;  /* another profile's name */
	int64_t fallback_after; /* ms */
	bool overflow;          /* its own rates are a reason too */
	char *from_name, *from_policy, *reply_to, *envelope_sender;
	char *signature_text, *signature_html;
	char *pop3_host;
	int64_t pop3_port;
	char *pop3_tls, *pop3_tls_min, *pop3_tls_verify, *pop3_ca;
	char *pop3_auth, *pop3_username;
	char *pop3_password; /* sealed */
	int64_t pop3_valid;  /* ms */
	char *capture;
	char *comment;
	char *oauth_grant;
	char *oauth_token_url, *oauth_device_url;
	char *oauth_client_id, *oauth_scope;
	char *oauth_subject;
	char *oauth_ca;                                              /* PEM */
	char *oauth_client_secret, *oauth_key, *oauth_refresh_token; /* sealed */
};

struct presets;

extern const struct table profile_table;

/* The whole row: a host or a capture, a secret where one is needed. */
int profile_check(const struct profile *profile, struct refusal *refusal_out);
/* Fills what nobody chose, and the provider's presets have not either. */
void profile_apply_defaults(struct profile *profile);
/* It becomes a capture: all that is about an upstream goes. */
void profile_clear_upstream(struct profile *profile);
/* The upstream took this method. False if it is none. */
bool profile_note_auth(struct profile *profile, const char *method);
/* A row of its own with the same values, to be ended as well. */
void profile_copy(const struct profile *from, struct profile *to);
/* With presets and defaults applied, and without the secret. */
json_t *profile_to_json(const struct presets *presets, const struct profile *profile);

struct profile_secrets;
/* Of a row's number with FIELD_ENDLESS, for other roles: 0 is no limit. */
uint32_t profile_limit(int64_t number);
/* Fills a message from a row with defaults; it borrows the row and the secrets. */
void profile_to_message(const struct profile *profile, const struct profile_secrets *secrets,
    struct msg_profile *message_out);

/* A profile named by a list or a user exists; the name is stored as the profile has it. NULL is
 * allowed. */
int profile_check_name(struct db *db, char **name, struct refusal *refusal_out);

#endif
