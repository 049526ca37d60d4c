/*
 * auth_ntlm - NTLM as SMTP and POP3 have it ([MS-SMTPNTLM], [MS-POP3]): the first challenge says nothing
 * and is often not even base64, the second one is the server's message.
 */
#include "common/clock.h"
#include "common/xalloc.h"
#include "daemon/relay/auth_exchange.h"
#include "daemon/relay/ntlm.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define FILETIME_OF_1970 UINT64_C(116444736000000000) /* tenths of microseconds since 1601 */

static int
begin(struct client_auth *auth, const struct client_auth_settings *settings, struct err *err_out)
{
	const char *slash = strchr(settings->username, '\\');

	/* DOMAIN\user; an address is a name of its own (a UPN) and goes as it is. */
	auth->domain = slash == NULL
			   ? xstrdup("")
			   : xstrndup(settings->username, (size_t)(slash - settings->username));
	auth->username = xstrdup(slash == NULL ? settings->username : slash + 1);
	auth->password = xstrdup(settings->secret);
	return 0;
}

static void
end(struct client_auth *auth)
{
	free(auth->domain);
	free(auth->username);
	auth_wipe_text(&auth->password);
}

static enum auth_step
answer(struct client_auth *auth, enum ntlm_version version, const struct auth_challenge *challenge,
    struct buf *answer_out, struct err *err_out)
{
	const struct ntlm_identity identity = {auth->username, auth->domain, auth->password};
	struct ntlm_chance chance = {.time = FILETIME_OF_1970 + (uint64_t)clock_wall_ms() * 10000};
	struct ntlm_challenge theirs;

	if (ntlm_read_challenge(
		(const uint8_t *)challenge->bytes, challenge->size, &theirs, err_out) != 0)
		return AUTH_STEP_FAILED;
	ensure(RAND_bytes(chance.nonce, sizeof(chance.nonce)) == 1);
	ntlm_authenticate(version, &identity, &theirs, &chance, answer_out);
	return AUTH_STEP_ANSWERS;
}

static enum auth_step
step(struct client_auth *auth, enum ntlm_version version, const struct auth_challenge *challenge,
    struct buf *answer_out, struct err *err_out)
{
	if (auth->steps++ > 0)
		return answer(auth, version, challenge, answer_out, err_out);
	ntlm_negotiate(version, answer_out);
	return AUTH_STEP_ANSWERS;
}

static enum auth_step
step_v1(struct client_auth *auth, const struct auth_challenge *challenge, struct buf *answer_out,
    struct err *err_out)
{
	return step(auth, NTLM_V1, challenge, answer_out, err_out);
}

static enum auth_step
step_v2(struct client_auth *auth, const struct auth_challenge *challenge, struct buf *answer_out,
    struct err *err_out)
{
	return step(auth, NTLM_V2, challenge, answer_out, err_out);
}

const struct auth_ops auth_ntlm = {
    .begin = begin, .step = step_v2, .end = end, .skips_first = true};
const struct auth_ops auth_ntlm_v1 = {
    .begin = begin, .step = step_v1, .end = end, .skips_first = true};
