/*
 * role - the frame around every role: what comes from the parent, the giving up of rights, the
 * table of links, reload and drain.
 *
 * Links and sockets that arrive before start() has succeeded wait as bare descriptors, so that a
 * role never sees a message before it is ready for one.
 */
#include "daemon/core/role.h"

#include "common/list.h"
#include "common/xalloc.h"
#include "daemon/core/rights.h"
#include "daemon/core/sandbox.h"

#ifdef HAVE_MALLOC_TRIM
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INDEX_MAX 64
#define EXIT_SYSTEM 71

/* A descriptor that came before start(). */
struct early {
	struct list link;
	bool is_listener;
	bool is_last;
	enum role peer;
	unsigned index;
	int fd;
};

/* Those of a kind, in order. */
struct file_set {
	struct buf *parts;
	unsigned count;
};

struct frame {
	struct role_context context;
	const struct role_ops *ops;
	struct link *parent;
	struct link *links[ROLE_COUNT][INDEX_MAX];
	struct file_set files[FILE_KIND_COUNT];
	const struct config *new_config; /* until READY */
	struct list early;
	bool is_started;
	bool is_verbose;
	int exit_status;
};

static struct frame *
frame_of(const struct role_context *role)
{
	return (struct frame *)(uintptr_t)role; /* the context is its first member */
}

/* ---- links ---- */

static void
on_peer_message(struct link *link, const struct link_message *message, void *ctx)
{
	struct frame *frame = ctx;

	frame->ops->on_message(&frame->context, link, message);
}

static void
forget_link(struct frame *frame, struct link *link)
{
	struct link **at = &frame->links[link_peer(link)][link_peer_index(link)];

	if (*at != link)
		return;
	*at = NULL;
	if (frame->ops->on_link_lost != NULL)
		frame->ops->on_link_lost(&frame->context, link);
}

static void
on_peer_closed(struct link *link, const char *reason, void *ctx)
{
	log_trace(
	    "link to %s[%u] ended: %s", role_name(link_peer(link)), link_peer_index(link), reason);
	forget_link(ctx, link);
}

static void
open_link(struct frame *frame, enum role peer, unsigned index, int fd)
{
	static const struct link_callbacks callbacks = {on_peer_message, on_peer_closed};
	struct link *old = frame->links[peer][index];

	if (old != NULL) {
		forget_link(frame, old);
		link_close(old);
	}
	frame->links[peer][index] =
	    link_open(frame->context.loop, fd, frame->context.role, peer, index, &callbacks, frame);
	if (frame->ops->on_link != NULL)
		frame->ops->on_link(&frame->context, frame->links[peer][index]);
}

static void
give_listener(struct frame *frame, unsigned listener, int fd, bool is_last)
{
	if (fd >= 0 && frame->ops->on_listen != NULL)
		frame->ops->on_listen(&frame->context, listener, fd);
	else if (fd >= 0)
		(void)close(fd);
	if (is_last && frame->ops->on_listen_done != NULL)
		frame->ops->on_listen_done(&frame->context);
}

static void
keep_early(struct frame *frame, const struct early *what)
{
	struct early *early = xmalloc(sizeof(*early));

	*early = *what;
	list_append(&frame->early, &early->link);
}

static void
give_early(struct frame *frame)
{
	struct list *first;

	while ((first = list_take_first(&frame->early)) != NULL) {
		struct early *early = LIST_ENTRY(first, struct early, link);

		if (early->is_listener)
			give_listener(frame, early->index, early->fd, early->is_last);
		else
			open_link(frame, early->peer, early->index, early->fd);
		free(early);
	}
}

static void
take_link(struct frame *frame, const struct msg_link *message)
{
	int fd = link_take_fd(frame->parent);

	ensure(fd >= 0 && message->role < ROLE_COUNT && message->index < INDEX_MAX);
	if (frame->is_started)
		open_link(frame, message->role, message->index, fd);
	else
		keep_early(frame,
		    &(struct early){.peer = message->role, .index = message->index, .fd = fd});
}

static void
take_listeners(struct frame *frame, const struct msg_listen *message)
{
	for (unsigned i = 0; i < message->count || (i == 0 && message->is_last); i++) {
		bool is_last = message->is_last && i + 1u >= message->count;
		int fd = i < message->count ? link_take_fd(frame->parent) : -1;

		if (frame->is_started)
			give_listener(frame, message->listener, fd, is_last);
		else
			keep_early(frame, &(struct early){.is_listener = true,
					      .is_last = is_last,
					      .index = message->listener,
					      .fd = fd});
	}
}

/* ---- config and files ---- */

static void
wipe_files(struct file_set *files)
{
	for (unsigned i = 0; i < files->count; i++) {
		if (files->parts[i].bytes != NULL)
			explicit_bzero(files->parts[i].bytes, files->parts[i].capacity);
		buf_fini(&files->parts[i]);
	}
	free(files->parts);
	*files = (struct file_set){0};
}

static void
take_file(struct frame *frame, const struct msg_file *message)
{
	struct file_set *files = &frame->files[message->file_kind];

	ensure(message->file_kind < FILE_KIND_COUNT && message->index < TLS_PAIRS_MAX);
	if (message->index == 0)
		wipe_files(files);
	ensure(message->index == files->count);
	files->parts = xrealloc(files->parts, files->count + 1, sizeof(*files->parts));
	buf_init(&files->parts[files->count]);
	buf_append(&files->parts[files->count++], message->content.at, message->content.size);
	if (frame->is_started && frame->ops->on_file != NULL)
		frame->ops->on_file(&frame->context, message->file_kind);
}

static void
take_config(struct frame *frame, const struct msg_config *message)
{
	struct config *config;
	struct err err;

	/* The parent has read this text with the same table. */
	if (config_parse((const char *)message->text.at, message->text.size, &config, &err) != 0) {
		log_problem(LOG_ERROR, "the config that the parent sent: %s", err.text);
		abort();
	}
	config->generation = message->generation;
	frame->is_verbose = message->is_verbose;
	config_release(frame->new_config);
	frame->new_config = config;
}

static void
use_new_config(struct frame *frame)
{
	if (frame->new_config == NULL)
		return;
	config_release(frame->context.config);
	frame->context.config = frame->new_config;
	frame->new_config = NULL;
	log_set_level(frame->is_verbose ? LOG_DEBUG : frame->context.config->log.level);
}

/* ---- start, reload, end ---- */

static void
answer_ready(struct frame *frame, const char *problem)
{
	struct msg_ready ready = {
	    .generation = frame->context.config->generation, .problem = problem};

	link_send(frame->parent, MSG_READY, &ready);
}

static int
start(struct frame *frame, struct err *err_out)
{
	struct role_context *context = &frame->context;

	if (frame->ops->prepare != NULL && frame->ops->prepare(context, err_out) != 0)
		return -1;
	if (rights_drop(context->role, context->config, err_out) != 0)
		return -1;
	sandbox_prepare();
	if (frame->ops->start(context, err_out) != 0)
		return -1;
	return sandbox_load(context->role, err_out);
}

static void
end(struct frame *frame, int status)
{
	frame->exit_status = status;
	loop_stop(frame->context.loop);
}

static void
take_ready(struct frame *frame)
{
	struct err err;

	use_new_config(frame);
	if (frame->is_started) {
		if (frame->ops->reload != NULL)
			frame->ops->reload(&frame->context);
		answer_ready(frame, "");
		return;
	}
	if (start(frame, &err) != 0) {
		answer_ready(frame, err.text);
		link_close(frame->parent);
		frame->parent = NULL;
		end(frame, EXIT_SYSTEM);
		return;
	}
	frame->is_started = true;
	answer_ready(frame, "");
	give_early(frame);
}

static void
on_parent_message(struct link *link, const struct link_message *message, void *ctx)
{
	struct frame *frame = ctx;

	switch (message->kind) {
	case MSG_CONFIG:
		take_config(frame, &message->body->config);
		break;
	case MSG_FILE:
		take_file(frame, &message->body->file);
		break;
	case MSG_LINK:
		take_link(frame, &message->body->link);
		break;
	case MSG_LISTEN:
		take_listeners(frame, &message->body->listen);
		break;
	case MSG_READY:
		take_ready(frame);
		break;
	case MSG_DRAIN:
		frame->context.is_draining = true;
		frame->ops->drain(&frame->context, message->body->drain.within_ms);
		break;
	default:
		frame->ops->on_message(&frame->context, link, message);
	}
}

static void
on_parent_closed(struct link *link, const char *reason, void *ctx)
{
	struct frame *frame = ctx;

	frame->parent = NULL;
	end(frame, frame->context.is_draining ? 0 : 1);
}

static void
close_links(struct frame *frame)
{
	for (unsigned peer = 0; peer < ROLE_COUNT; peer++)
		for (unsigned index = 0; index < INDEX_MAX; index++)
			if (frame->links[peer][index] != NULL)
				link_close(frame->links[peer][index]);
	if (frame->parent != NULL)
		link_close(frame->parent);
}

static void
fini(struct frame *frame)
{
	if (frame->is_started && frame->ops->stop != NULL)
		frame->ops->stop(&frame->context);
	close_links(frame);
	/* What was deferred finds its objects, then they go. */
	for (int turns = 0; turns < 4; turns++)
		loop_turn(frame->context.loop, 0);
	loop_free(frame->context.loop);
	LIST_EACH_SAFE (&frame->early, at, next)
		free(LIST_ENTRY(at, struct early, link));
	for (unsigned kind = 0; kind < FILE_KIND_COUNT; kind++)
		wipe_files(&frame->files[kind]);
	config_release(frame->context.config);
	config_release(frame->new_config);
}

static void
ignore_signals(void)
{
	/* The parent decides when a role ends; a terminal's ^C goes to the whole group. */
	static const int ignored[] = {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)signal(ignored[i], SIG_IGN);
}

/* What bodies took comes back with the next ones. By itself the C library gives the end of the heap to
 * the system from 128 KiB on, and takes it again page by page. */
static void
keep_freed_memory(void)
{
#ifdef HAVE_MALLOC_TRIM
	(void)mallopt(M_TRIM_THRESHOLD, 8 << 20);
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
	(void)mallopt(M_TOP_PAD, 256 << 10);
#endif
}

int
role_run(enum role role, unsigned index, int parent_fd, const struct role_ops *ops)
{
	static const struct link_callbacks callbacks = {on_parent_message, on_parent_closed};
	struct frame *frame = xcalloc(1, sizeof(*frame));
	int status;

	ignore_signals();
	keep_freed_memory();
	(void)umask(077);
	frame->context.role = role;
	frame->context.index = index;
	frame->context.loop = loop_new();
	frame->ops = ops;
	list_init(&frame->early);
	frame->parent =
	    link_open(frame->context.loop, parent_fd, role, ROLE_PARENT, 0, &callbacks, frame);
	loop_run(frame->context.loop);
	fini(frame);
	status = frame->exit_status;
	free(frame);
	return status;
}

/* ---- for the role ---- */

struct link *
role_link(const struct role_context *role, enum role peer, unsigned index)
{
	if (peer == ROLE_PARENT)
		return frame_of(role)->parent;
	return index < INDEX_MAX ? frame_of(role)->links[peer][index] : NULL;
}

struct msg_bytes
role_file_at(const struct role_context *role, enum file_kind kind, unsigned index)
{
	const struct file_set *files = &frame_of(role)->files[kind];
	const struct buf *file;

	if (index >= files->count)
		return (struct msg_bytes){0};
	file = &files->parts[index];
	return (struct msg_bytes){.at = (const uint8_t *)file->bytes, .size = (uint32_t)file->size};
}

struct msg_bytes
role_file(const struct role_context *role, enum file_kind kind)
{
	return role_file_at(role, kind, 0);
}

unsigned
role_file_count(const struct role_context *role, enum file_kind kind)
{
	return frame_of(role)->files[kind].count;
}

void
role_forget_file(struct role_context *role, enum file_kind kind)
{
	wipe_files(&frame_of(role)->files[kind]);
}

void
role_drained(struct role_context *role)
{
	struct msg_drain drained = {0};

	if (frame_of(role)->parent != NULL)
		link_send(frame_of(role)->parent, MSG_DRAIN, &drained);
}

static void
cut(char *to, size_t size, const char *from)
{
	if (from == NULL)
		from = "";
	(void)snprintf(to, size, "%s", from);
}

void
role_alert(struct role_context *role, const char *kind, const char *user, const char *list,
    const char *address, const char *detail)
{
	struct link *accounts = role_link(role, ROLE_ACCOUNTS, 0);
	char texts[5][512];
	struct log_line line;
	struct msg_alert alert = {texts[0], texts[1], texts[2], texts[3], texts[4]};

	cut(texts[0], 64, kind);
	cut(texts[1], 256, user);
	cut(texts[2], 256, list);
	cut(texts[3], sizeof(texts[3]), address);
	cut(texts[4], sizeof(texts[4]), detail);
	if (accounts != NULL) {
		link_send(accounts, MSG_ALERT, &alert);
	} else if (log_begin(&line, LOG_WARNING, EVENT_ALERT, 0)) {
		log_text(&line, KEY_KIND, texts[0]);
		log_text(&line, KEY_USER, texts[1]);
		log_mailbox(&line, KEY_ADDRESS, texts[3]);
		log_text(&line, KEY_REASON, texts[4]);
		log_end(&line);
	}
}
