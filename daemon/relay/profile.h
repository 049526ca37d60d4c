/*
 * profile - an upstream's settings as relay uses them
 *
 * Owns     copies of everything, the secret among them: wiped with the last reference
 * Context  loop; counted, since connections outlive a change of the settings
 * Fails    never: a profile that can't be used has a `problem`
 */
#ifndef POSTERN_RELAY_PROFILE_H
#define POSTERN_RELAY_PROFILE_H

#include "common/buf.h"
#include "common/rate.h"
#include "daemon/config/reply_rules.h"
#include "daemon/core/messages.h"
#include "daemon/core/tls.h"
#include "daemon/core/values.h"

struct hostlist;
struct logins;
struct pop3_keeper;
struct pop3_settings;
struct pool;
struct scram_key;
struct token_source;
struct tokens;

struct profile {
	unsigned references;
	struct pool *pool; /* borrowed, as all of these: for what takes time */
	struct logins *logins;
	struct pop3_keeper *pop3_keeper;
	uint64_t id;
	uint32_t version;
	char *name;
	char *problem; /* NULL: it can be used */
	char *capture; /* "": it has hosts */
	struct hostlist *hosts;
	uint16_t port;
	enum profile_tls tls;
	struct tls_context *tls_context; /* NULL with PROFILE_NONE */
	enum tls_version tls_min, tls_max;
	bool verifies;        /* TLS is only with whom the profile names */
	bool has_certificate; /* of our own, which it shows */
	char *auth;
	unsigned auth_methods; /* AUTH_BIT()s */
	unsigned auth_worked;  /* AUTH_BIT() of what worked last, 0: not known */
	bool auth_in_clear;    /* credentials also where there is no TLS */
	char *username;
	char *secret;
	struct scram_key *scram_key;       /* derived from the secret last; NULL: none yet */
	struct token_source *token_source; /* of its access tokens; NULL: it has a password */
	struct pop3_settings *pop3;        /* a login to it comes before SMTP; NULL: none */
	bool is_tested;                    /* a login to POP3 for each connection */
	char *ehlo_name;
	bool has_own_ehlo_name;   /* the operator chose it: no other one is tried */
	bool is_known_by_address; /* the upstream takes our address, and not that name */
	int64_t chunks_from_ms;   /* loop_now_ms(): its CHUNKING is not used before that */
	bool takes_chunks;        /* that was seen to work, at its only host */
	bool keeps_connections;   /* it has answered on one that had carried a message */
	bool has_left_kept;       /* it has ended one without a word, and may have had a message */
	int64_t timeout_ms, block_timeout_ms, dot_timeout_ms;
	bool is_uncertain_held; /* an operator decides about what may have been sent */
	unsigned connections;
	uint64_t bandwidth;               /* bytes a second; 0: no limit */
	struct rate connection_rate;      /* new ones */
	unsigned messages_per_connection; /* 0: no limit */
	enum transcript_policy transcript;
	char *from_name, *from, *reply_to; /* "": neither supplied nor replaced */
	enum from_policy from_policy;
	char *envelope_sender; /* "": as it comes */
	struct buf signature_text, signature_html;
	char *provider;            /* "": not said */
	struct reply_rules *rules; /* for its replies */
};

struct profile_surroundings {
	struct pool *pool;
	struct logins *logins;
	struct pop3_keeper *pop3_keeper;
	const char *hostname;
	struct tls_store *system_cas; /* NULL: there are none */
	struct tokens *tokens;
	struct reply_rules *rules; /* for replies */
};

struct profile *profile_new(
    const struct msg_profile *message, const struct profile_surroundings *surroundings);
struct profile *profile_hold(struct profile *profile);
void profile_release(struct profile *profile); /* NULL is allowed */

/* A context with these settings; `ca` (PEM), if it isn't empty, takes the place of their store. */
struct tls_context *profile_make_tls(
    const struct tls_client_settings *settings, struct msg_bytes ca, struct err *err_out);

/* `host:port`, for people; of several hosts all */
#define PROFILE_SERVER_SIZE 320
const char *profile_server(const struct profile *profile, char buffer[static PROFILE_SERVER_SIZE]);

#endif
