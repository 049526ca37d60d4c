/*
 * fuzz_smtpd - a whole session: what the client sends, and what other roles answer in between
 *
 * The first octet chooses what the world is like. Then an octet 0xff is followed by one that says
 * what happens; everything else comes from the client. What the session writes must be replies,
 * and the ports of the world check what it asks of others.
 */
#include "common/err.h"
#include "tests/dialogue/world.h"

#include <ctype.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define REPLY_LINE_MAX 512

static void
choose(struct world *world, uint8_t choice)
{
	static const struct world_user restricted = {.user_id = 1,
	    .login = "billing",
	    .domains = "example.com",
	    .senders = "",
	    .is_active = true,
	    .has_profile = true,
	    .credential = 1};

	world->setup.trusted_login = choice & 1 ? "billing" : NULL;
	world->setup.is_loopback = (choice & 2) == 0;
	world->keeps_credit = (choice & 4) != 0;
	if (choice & 8)
		world_put_user(world, &restricted);
	if (choice & 16)
		world->config.limits.message_size_bytes = 64;
	world->piece = choice & 32 ? 1 : 0;
	world->setup.is_refused = (choice & 64) != 0;
	if (choice & 128) {
		world->config.limits.line_length = 40;
		world->config.limits.header_line_length = 30;
		world->config.limits.header_fields = 3;
	}
	if ((choice & 130) == 130) {
		static char all[] = "SCRAM-SHA-256-PLUS SCRAM-SHA-256 LOGIN PLAIN CRAM-MD5";

		world->config.auth.mechanisms = all;
		world->config.auth.legacy_line = true;
		world->config.auth.after_helo = false;
		world->setup.tls_version = "TLSv1.2";
		world->has_binding = true;
	}
}

static void
happen(struct world *world, uint8_t what)
{
	switch (what % 16) {
	case 0:
		world_answer_sasl(world, SASL_CONTINUE, "Username:");
		break;
	case 1:
		world_answer_sasl(world, SASL_DONE, "");
		break;
	case 2:
		world_answer_sasl(world, SASL_FAILED, "");
		break;
	case 3:
		world_answer_grant(world);
		break;
	case 4:
		world_commit(world, COMMIT_STORED);
		break;
	case 5:
		world_commit(world, COMMIT_FAILED);
		break;
	case 6:
		world_give_credit(world);
		break;
	case 7:
		world_lose_queue(world);
		break;
	case 8:
		world_lose_accounts(world);
		break;
	case 9:
		world_pass_time(world, 200000);
		break;
	case 10:
		world_secure(world);
		break;
	case 11:
		session_drain(world->session);
		world_pump(world);
		break;
	default:
		world_answer_sasl(world, SASL_TEMPORARY, "");
	}
}

static void
check_line(const char *line, size_t length)
{
	ensure(length >= 4 && length <= REPLY_LINE_MAX);
	ensure(isdigit((unsigned char)line[0]) && isdigit((unsigned char)line[1]) &&
	       isdigit((unsigned char)line[2]) && (line[3] == ' ' || line[3] == '-'));
	for (size_t i = 0; i < length; i++)
		ensure((unsigned char)line[i] >= ' ' && line[i] != 0x7f);
}

static void
check_replies(const struct buf *output)
{
	const char *at = output->bytes, *end = at + output->size;

	while (at < end) {
		const char *stop = memmem(at, (size_t)(end - at), "\r\n", 2);

		ensure(stop != NULL);
		check_line(at, (size_t)(stop - at));
		at = stop + 2;
	}
}

/* Between STARTTLS and the end of the handshake nothing that comes in clear may be used or answered:
 * it belongs to the handshake, which would fail. */
static void
client_sends(struct world *world, const uint8_t *bytes, size_t size)
{
	size_t before = world->output.size;

	if (!world->has_started_tls || world->is_finished) {
		world_send(world, bytes, size);
		return;
	}
	ensure(session_input(world->session, bytes, size) == 0);
	ensure(world->output.size == before && !world->is_finished);
}

static void
play(struct world *world, const uint8_t *bytes, size_t size)
{
	while (size > 0) {
		const uint8_t *event = memchr(bytes, 0xff, size);
		size_t length = event == NULL ? size : (size_t)(event - bytes);

		if (length > 0)
			client_sends(world, bytes, length);
		if (event == NULL || length + 1 == size)
			return;
		happen(world, event[1]);
		bytes += length + 2;
		size -= length + 2;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct world world;

	if (size == 0)
		return 0;
	log_set_level(LOG_ERROR);
	world_init(&world);
	choose(&world, bytes[0]);
	world_open(&world);
	play(&world, bytes + 1, size - 1);
	check_replies(&world.output);
	world_fini(&world);
	return 0;
}
