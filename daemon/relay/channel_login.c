/*
 * channel_login - what the automaton needs to log in: a credential, when it is this connection's turn,
 * and the key of SCRAM, which a thread derives. The profile keeps the last key: an upstream has one salt
 * for an account.
 */
#include "common/xalloc.h"
#include "daemon/core/pool.h"
#include "daemon/relay/channel_private.h"

#include <event2/buffer.h>
#include <stdlib.h>

struct key_job {
	struct channel *channel; /* NULL: nobody waits for it any more */
	struct scram_key *key;
};

static void
go_on(struct channel *channel, enum client_event event)
{
	channel_act(channel, event);
	channel_read_early(channel);
}

/* ---- the credential ---- */

static void
on_credential(const struct credential *credential, void *ctx)
{
	struct channel *channel = ctx;

	go_on(channel, client_credential(channel->client, credential));
}

void
channel_want_credential(struct channel *channel)
{
	ensure(channel->credential == NULL);
	channel->credential =
	    credential_get(channel->profile, channel->is_second_login, on_credential, channel);
	channel->is_second_login = true;
}

void
channel_on_login(enum login_result result, unsigned method, const char *words, void *ctx)
{
	struct channel *channel = ctx;

	credential_end(channel->credential, result, method, words);
	channel->credential = NULL;
}

/* ---- the key ---- */

static void
derive(void *ctx)
{
	struct key_job *job = ctx;

	scram_key_derive(job->key);
}

static void
use_key(struct channel *channel, struct scram_key *key)
{
	go_on(channel, client_use_key(channel->client, key));
}

static void
on_derived(void *ctx)
{
	struct key_job *job = ctx;
	struct channel *channel = job->channel;
	struct scram_key *key = job->key;

	free(job);
	if (channel == NULL) {
		scram_key_free(key);
		return;
	}
	channel->key = NULL;
	scram_key_free(channel->profile->scram_key);
	channel->profile->scram_key = scram_key_copy(key);
	use_key(channel, key);
}

static void
forget_key(struct channel *channel)
{
	if (channel->key != NULL)
		channel->key->channel = NULL;
	channel->key = NULL;
}

void
channel_want_key(struct channel *channel)
{
	struct scram_key *key = client_take_key(channel->client);

	forget_key(channel);
	if (scram_key_take(key, channel->profile->scram_key)) {
		use_key(channel, key);
		return;
	}
	channel->key = xcalloc(1, sizeof(*channel->key));
	channel->key->channel = channel;
	channel->key->key = key;
	if (pool_submit(channel->profile->pool, derive, on_derived, channel->key))
		return;
	free(channel->key);
	channel->key = NULL;
	scram_key_free(key);
	channel_act(channel, client_lost(channel->client, "there is too much else to derive keys"));
}

void
channel_end_login(struct channel *channel)
{
	forget_key(channel);
	if (channel->credential != NULL)
		credential_end(channel->credential, LOGIN_UNDECIDED, 0, "");
	channel->credential = NULL;
}
