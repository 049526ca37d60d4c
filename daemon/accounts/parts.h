/*
 * parts - what the modules of the accounts role share, and who must hear of a change
 *
 * Owns     nothing: accounts.c makes and frees the parts
 * Context  loop
 *
 * A change is committed first and told afterwards: smtpd gets the user's rights again, queue the
 * rows of its map, relay that its copy of a profile is old.
 */
#ifndef POSTERN_ACCOUNTS_PARTS_H
#define POSTERN_ACCOUNTS_PARTS_H

#include "daemon/accounts/alert.h"
#include "daemon/accounts/db.h"
#include "daemon/accounts/grants.h"
#include "daemon/accounts/guessing.h"
#include "daemon/accounts/presence.h"
#include "daemon/accounts/presets.h"
#include "daemon/accounts/sasl.h"
#include "daemon/config/config.h"
#include "daemon/core/link.h"
#include "daemon/core/pool.h"

struct parts {
	struct loop *loop;
	const struct config *config;
	struct msg_bytes seal_key; /* empty if there is none */
	struct presets presets;
	struct db *db;
	struct pool *pool;
	struct presence *presence;
	struct guessing *guessing;
	struct grants *grants;
	struct sasl *sasl;
	struct alerts *alerts;
	/* NULL while there is none */
	struct link *queue, *relay;
	struct link *smtpds[SMTPD_PROCESSES_MAX];
};

/* A user was added, changed or removed. */
void parts_tell_user(struct parts *parts, int64_t user_id);
void parts_tell_user_gone(struct parts *parts, int64_t user_id);
/* A list was changed: its users' rights and routes follow from it. */
void parts_tell_list(struct parts *parts);
void parts_tell_list_added(struct parts *parts);
void parts_tell_list_gone(struct parts *parts, int64_t list_id);
/* A profile was added or changed. */
void parts_tell_profile(struct parts *parts, int64_t profile_id, int64_t version);
void parts_tell_profile_gone(struct parts *parts, int64_t profile_id);
/* Profiles have senders that none had before. */
void parts_tell_senders(struct parts *parts);
/* Which profile users go to may have changed. */
void parts_tell_routes(struct parts *parts);

/* The files with providers are others: profiles that this changes are told to everybody. */
void parts_take_presets(struct parts *parts, struct msg_bytes installed, struct msg_bytes own);

/* Says in the log which profiles can't be used with these providers. */
void parts_check_presets(struct parts *parts);

/* Answers relay's PROFILE_GET, the secret in clear. */
void parts_answer_profile(struct parts *parts, struct link *link, uint32_t request_id,
    const struct msg_profile_get *message);
/* Keeps what relay says with AUTH_WORKED, if the profile is still as it was. */
void parts_note_auth(struct parts *parts, const struct msg_auth_worked *message);
/* Says in the log which profiles' secrets can't be read with this seal.key. */
void parts_check_secrets(struct parts *parts);

/* At start and after a reload: wipes passwords that can be read when no mechanism needs them. */
void parts_drop_secrets(struct parts *parts);

#endif
