/* mime - the entry of the mime role: relay sends messages, and gets them back. */
#include "daemon/mime/mime.h"

#include "common/list.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/mime/job.h"
#include "daemon/mime/rework.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SHADOW_MEMORY
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SHADOW_MEMORY
#endif

/* smtpd's and the changes' part of a message, beyond what a client may send. */
#define HEADER_ROOM (4u << 20)
/* The program and its libraries, and as many times the largest message. */
#define MEMORY_BASE (UINT64_C(512) << 20)
#define MEMORY_TIMES 8

struct mime {
	struct list jobs;
};

static int
prepare(struct role_context *role, struct err *err_out)
{
	rework_prepare();
	return 0;
}

/* What a message asks for beyond that is no message. */
static int
limit_memory(const struct config *config, struct err *err_out)
{
#ifndef HAS_SHADOW_MEMORY
	rlim_t bytes = MEMORY_BASE + MEMORY_TIMES * config->limits.message_size_bytes;
	struct rlimit limit = {.rlim_cur = bytes, .rlim_max = bytes};

	if (setrlimit(RLIMIT_AS, &limit) != 0)
		return err_set(err_out, "can't limit the memory: %s", strerror(errno));
#endif
	return 0;
}

static int
start(struct role_context *role, struct err *err_out)
{
	struct mime *mime;

	if (limit_memory(role->config, err_out) != 0)
		return -1;
	mime = xcalloc(1, sizeof(*mime));
	list_init(&mime->jobs);
	role->state = mime;
	return 0;
}

static void
on_link_lost(struct role_context *role, struct link *link)
{
	struct mime *mime = role->state;

	jobs_free_all(&mime->jobs);
}

static void
on_rework(struct role_context *role, struct link *link, const struct link_message *message)
{
	struct mime *mime = role->state;
	uint64_t limit = role->config->limits.message_size_bytes + HEADER_ROOM;

	if (job_find(&mime->jobs, message->body->rework.stream) != NULL)
		link_fail(link, "a stream was begun twice");
	else if (job_new(&mime->jobs, link, message, limit) == NULL)
		link_fail(link, "a message is larger than any can be");
}

static void
on_message(struct role_context *role, struct link *link, const struct link_message *message)
{
	struct mime *mime = role->state;
	const union message *body = message->body;
	struct job *job;

	switch (message->kind) {
	case MSG_REWORK:
		on_rework(role, link, message);
		break;
	case MSG_BODY:
		job = job_find(&mime->jobs, body->body.stream);
		if (job != NULL && !job_take(job, &body->body))
			link_fail(link, "a body is not as long as it was to be");
		break;
	case MSG_CREDIT:
		job = job_find(&mime->jobs, body->credit.stream);
		if (job != NULL)
			job_give_credit(job, body->credit.bytes);
		break;
	case MSG_ABORT:
		job = job_find(&mime->jobs, body->abort.stream);
		if (job != NULL)
			job_free(job);
		break;
	default:
		break;
	}
}

/* Relay has ended before, and nobody wants anything any more. */
static void
drain(struct role_context *role, int64_t within_ms)
{
	role_drained(role);
}

static void
stop(struct role_context *role)
{
	struct mime *mime = role->state;

	jobs_free_all(&mime->jobs);
	free(mime);
}

const struct role_ops mime_ops = {
    .prepare = prepare,
    .start = start,
    .on_link_lost = on_link_lost,
    .on_message = on_message,
    .drain = drain,
    .stop = stop,
};
