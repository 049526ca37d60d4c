/* client_auth - which file does a mechanism, and base64 around its tokens. */
#include "daemon/relay/client_auth.h"

#include "common/xalloc.h"
#include "daemon/relay/auth_exchange.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

static const struct auth_ops *const ops_of[AUTH_METHODS] = {
    [AUTH_SCRAM_SHA_256_PLUS] = &auth_library_first,
    [AUTH_SCRAM_SHA_256] = &auth_library_first,
    [AUTH_SCRAM_SHA_1_PLUS] = &auth_library_first,
    [AUTH_SCRAM_SHA_1] = &auth_library_first,
    [AUTH_CRAM_MD5] = &auth_library,
    [AUTH_LOGIN] = &auth_library,
    [AUTH_PLAIN] = &auth_library_first,
    [AUTH_NTLM] = &auth_ntlm,
    [AUTH_NTLM_V1] = &auth_ntlm_v1,
    [AUTH_OAUTHBEARER] = &auth_bearer,
    [AUTH_XOAUTH2] = &auth_xoauth2,
    [AUTH_EXTERNAL] = &auth_library_first,
    [AUTH_ANONYMOUS] = &auth_library_first,
};

void
auth_wipe_text(char **text)
{
	if (*text != NULL)
		OPENSSL_cleanse(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

struct client_auth *
client_auth_new(const struct client_auth_settings *settings, struct err *err_out)
{
	struct client_auth *auth = xcalloc(1, sizeof(*auth));

	auth->traits = auth_traits(settings->method);
	auth->ops = ops_of[settings->method];
	auth->is_proved = !auth->traits->is_mutual;
	if (auth->ops->begin(auth, settings, err_out) == 0)
		return auth;
	client_auth_free(auth);
	return NULL;
}

void
client_auth_free(struct client_auth *auth)
{
	if (auth == NULL)
		return;
	auth->ops->end(auth);
	free(auth);
}

bool
client_auth_is_first(const struct client_auth *auth)
{
	return auth->ops->is_first;
}

bool
client_auth_skips_first(const struct client_auth *auth)
{
	return auth->ops->skips_first;
}

/* Gives the bytes with a NUL behind them; NULL: it isn't base64. */
static char *
decode(const char *challenge, size_t *size_out)
{
	char *bytes = NULL, *copy;

	*size_out = 0;
	if (*challenge != '\0' &&
	    gsasl_base64_from(challenge, strlen(challenge), &bytes, size_out) != GSASL_OK)
		return NULL;
	copy = xmalloc(*size_out + 1);
	if (*size_out > 0)
		memcpy(copy, bytes, *size_out);
	copy[*size_out] = '\0';
	gsasl_free(bytes);
	return copy;
}

static void
encode(const struct buf *answer, struct buf *answer_out)
{
	char *text = NULL;
	size_t size = 0;

	if (answer->size == 0)
		return;
	ensure(gsasl_base64_to(answer->bytes, answer->size, &text, &size) == GSASL_OK);
	buf_append(answer_out, text, size);
	OPENSSL_cleanse(text, size);
	gsasl_free(text);
}

/* Gives the answer on as base64. */
static enum auth_step
end_step(enum auth_step step, struct buf *answer, struct buf *answer_out)
{
	if (step == AUTH_STEP_ANSWERS)
		encode(answer, answer_out);
	if (answer->bytes != NULL)
		OPENSSL_cleanse(answer->bytes, answer->capacity);
	buf_fini(answer);
	return step;
}

enum auth_step
client_auth_step(
    struct client_auth *auth, const char *challenge, struct buf *answer_out, struct err *err_out)
{
	struct auth_challenge decoded;
	struct buf answer;
	enum auth_step step;
	bool says_nothing = auth->ops->skips_first && auth->steps == 0;
	char *bytes = decode(says_nothing ? "" : challenge, &decoded.size);

	if (bytes == NULL) {
		err_write(
		    err_out, "the upstream's %s challenge is not base64", auth->traits->mechanism);
		return AUTH_STEP_FAILED;
	}
	decoded.bytes = bytes;
	buf_init(&answer);
	step = auth->ops->step(auth, &decoded, &answer, err_out);
	free(bytes);
	return end_step(step, &answer, answer_out);
}

struct scram_key *
client_auth_take_key(struct client_auth *auth)
{
	struct scram_key *key = auth->key;

	auth->key = NULL;
	return key;
}

enum auth_step
client_auth_use_key(
    struct client_auth *auth, struct scram_key *key, struct buf *answer_out, struct err *err_out)
{
	struct buf answer;
	enum auth_step step;

	buf_init(&answer);
	step = auth_library_use_key(auth, key, &answer, err_out);
	return end_step(step, &answer, answer_out);
}

const char *
client_auth_detail(const struct client_auth *auth)
{
	return auth->detail;
}

bool
client_auth_is_proved(const struct client_auth *auth)
{
	return auth->is_proved;
}

bool
client_auth_is_unsupported(const struct client_auth *auth)
{
	return auth->is_unsupported;
}
