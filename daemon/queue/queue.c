/* queue - the entry of the queue role: owns queue.db, ties intake, scheduler and fates together. */
#include "daemon/queue/queue.h"

#include "common/xalloc.h"
#include "daemon/queue/intake.h"

#include <stdlib.h>

struct queue {
	struct role_context *role;
	struct storage *storage;
	struct intake *intake;
};

static void
on_stored(struct mail *message, const struct slice *slices, uint32_t slice_count, void *ctx)
{
	free(message);
}

/* The requests that wait hear of it by the end of their links: 451. */
static void
on_broken(const char *reason, void *ctx)
{
	log_problem(LOG_ERROR, "the queue's storage failed, starting again: %s", reason);
	exit(71);
}

static void
on_space(uint64_t free_bytes, void *ctx)
{
	struct queue *queue = ctx;
	bool has_room = free_bytes >= queue->role->config->limits.free_space_bytes;

	if (!queue->role->is_draining)
		intake_set_state(queue->intake, has_room ? INTAKE_OPEN : INTAKE_DISK_FULL);
}

static int
start(struct role_context *role, struct err *err_out)
{
	struct queue *queue = xcalloc(1, sizeof(*queue));
	struct storage_options options = {
	    .directory = ".",
	    .wal_limit_bytes = STORAGE_WAL_LIMIT_BYTES,
	    .reserve_bytes = STORAGE_WAL_LIMIT_BYTES,
	    .on_broken = on_broken,
	    .on_space = on_space,
	    .ctx = queue,
	};

	queue->role = role;
	if (storage_open(role->loop, &options, &queue->storage, err_out) != 0) {
		free(queue);
		return -1;
	}
	queue->intake = intake_new(role->loop, queue->storage, on_stored, queue);
	role->state = queue;
	return 0;
}

static void
on_link(struct role_context *role, struct link *link)
{
	struct queue *queue = role->state;

	if (link_peer(link) == ROLE_SMTPD)
		intake_add_link(queue->intake, link);
}

static void
on_link_lost(struct role_context *role, struct link *link)
{
	struct queue *queue = role->state;

	if (link_peer(link) == ROLE_SMTPD)
		intake_drop_link(queue->intake, link);
}

static void
on_message(struct role_context *role, struct link *link, const struct link_message *message)
{
	struct queue *queue = role->state;

	if (message->kind == MSG_BODY)
		intake_body(queue->intake, link, message);
	else if (message->kind == MSG_COMMIT)
		intake_commit(queue->intake, link, message);
	else if (message->kind == MSG_ABORT)
		intake_abort(queue->intake, link, message->body->abort.stream);
}

static void
drain(struct role_context *role, int64_t within_ms)
{
	struct queue *queue = role->state;

	intake_set_state(queue->intake, INTAKE_CLOSING);
	role_drained(role);
}

static void
stop(struct role_context *role)
{
	struct queue *queue = role->state;

	storage_close(queue->storage);
	intake_free(queue->intake);
	free(queue);
}

const struct role_ops queue_ops = {
    .start = start,
    .on_link = on_link,
    .on_link_lost = on_link_lost,
    .on_message = on_message,
    .drain = drain,
    .stop = stop,
};
