/* family_tell - what a role is told: its config and files, and who it talks to. */
#include "common/log.h"
#include "daemon/parent/family_private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Who talks to whom. */
static const struct {
	enum role a, b;
} pairs[] = {
    {ROLE_SMTPD, ROLE_ACCOUNTS},
    {ROLE_SMTPD, ROLE_QUEUE},
    {ROLE_ACCOUNTS, ROLE_QUEUE},
    {ROLE_ACCOUNTS, ROLE_RELAY},
    {ROLE_QUEUE, ROLE_RELAY},
    {ROLE_RELAY, ROLE_MIME},
    {ROLE_CONTROL, ROLE_ACCOUNTS},
    {ROLE_CONTROL, ROLE_QUEUE},
    {ROLE_CONTROL, ROLE_RELAY},
};

/* Who may see which file. */
static const enum role file_owners[FILE_KIND_COUNT] = {
    [FILE_TLS_CERTIFICATE] = ROLE_SMTPD,
    [FILE_TLS_KEY] = ROLE_SMTPD,
    [FILE_TLS_CA] = ROLE_PARENT, /* the API's answer comes from the parent */
    [FILE_TICKET_KEYS] = ROLE_SMTPD,
    [FILE_SEAL_KEY] = ROLE_ACCOUNTS,
    [FILE_SYSTEM_CAS] = ROLE_RELAY,
    [FILE_RESOLV_CONF] = ROLE_RELAY,
    [FILE_HOSTS] = ROLE_RELAY,
    [FILE_PROVIDERS] = ROLE_ACCOUNTS,
    [FILE_OWN_PROVIDERS] = ROLE_ACCOUNTS,
    [FILE_REPLIES] = ROLE_RELAY,
};

static void
send_one(struct member *member, enum file_kind kind, unsigned index, const struct buf *content)
{
	struct msg_file file = {.file_kind = (uint8_t)kind,
	    .index = (uint16_t)index,
	    .content = {(const uint8_t *)content->bytes, (uint32_t)content->size}};

	link_send(member->link, MSG_FILE, &file);
}

void
family_send_file(struct member *member, enum file_kind kind)
{
	const struct files *files = member->family->gift.files;

	if (file_owners[kind] != member->seen.role)
		return;
	if (kind != FILE_TLS_CERTIFICATE && kind != FILE_TLS_KEY) {
		send_one(member, kind, 0, &files->of[kind]);
		return;
	}
	for (unsigned i = 0; i < files->pair_count; i++)
		send_one(member, kind, i,
		    kind == FILE_TLS_KEY ? &files->pairs[i].key : &files->pairs[i].certificate);
}

void
family_send_gift(struct member *member)
{
	const struct family_gift *gift = &member->family->gift;
	struct msg_config config = {.generation = gift->generation,
	    .is_verbose = gift->is_verbose,
	    .text = {(const uint8_t *)gift->config_text, (uint32_t)strlen(gift->config_text)}};

	link_send(member->link, MSG_CONFIG, &config);
	for (unsigned kind = 0; kind < FILE_KIND_COUNT; kind++)
		family_send_file(member, kind);
}

void
family_send_ready(struct member *member)
{
	struct msg_ready ready = {.generation = member->family->gift.generation};

	link_send(member->link, MSG_READY, &ready);
}

static bool
are_pair(enum role a, enum role b)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if ((pairs[i].a == a && pairs[i].b == b) || (pairs[i].a == b && pairs[i].b == a))
			return true;
	return false;
}

static void
send_end(struct member *to, const struct member *peer, int fd)
{
	struct msg_link message = {
	    .role = (uint8_t)peer->seen.role, .index = (uint16_t)peer->seen.index};

	link_send_with_fds(to->link, MSG_LINK, &message, &fd, 1);
	(void)close(fd);
}

static void
tie(struct member *a, struct member *b)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
		log_problem(LOG_ERROR, "socketpair: %s", strerror(errno));
		return;
	}
	send_end(a, b, ends[0]);
	send_end(b, a, ends[1]);
}

void
family_tie(struct member *member)
{
	struct family *family = member->family;

	for (size_t i = 0; i < family->count; i++) {
		struct member *other = &family->members[i];

		if (other != member && other->link != NULL &&
		    are_pair(member->seen.role, other->seen.role))
			tie(member, other);
	}
}
