/*
 * queue - the entry of the queue role: owns queue.db, and ties its parts together.
 *
 *	smtpd ═▶ intake ─▶ storage ─▶ (250) ─▶ scheduler ─▶ handover ═▶ relay ═▶ fate ─▶ storage
 */
#include "daemon/queue/queue.h"

#include "common/clock.h"
#include "common/xalloc.h"
#include "daemon/queue/aging.h"
#include "daemon/queue/operators.h"
#include "daemon/queue/handover.h"
#include "daemon/queue/history.h"
#include "daemon/queue/fate.h"
#include "daemon/queue/intake.h"
#include "daemon/queue/refusals.h"
#include "daemon/queue/scheduler.h"
#include "daemon/queue/waiting.h"

#include <stdlib.h>

#define EXIT_SYSTEM 71

struct queue {
	struct role_context *role;
	struct storage *storage;
	struct history *history;
	struct refusals *refusals;
	struct caps *caps;
	struct intake *intake;
	struct scheduler *scheduler;
	struct handovers *handovers;
	struct notices *notices;
	struct aging *aging;
	struct fates *fates;
	struct operators *operators;
	struct waiting *waiting;
	struct backups *backups;
	struct profiles_job profiles;
	bool is_misplaced; /* storage_is_in_place() was false a second ago */
};

/* ---- between the parts ---- */

static void
on_stored(struct mail *mail, const struct slice *slices, uint32_t slice_count, void *ctx)
{
	struct queue *queue = ctx;
	struct log_line line;

	if (mail->state == MAIL_SCHEDULED &&
	    log_begin(&line, LOG_INFO, EVENT_SCHEDULED, mail->id)) {
		log_text(&line, KEY_USER, mail->login);
		log_text(&line, KEY_LIST, mail->list);
		log_time(&line, KEY_UNTIL, mail->next_at_ms);
		log_end(&line);
	}
	if (mail->state != MAIL_LIMITED) {
		scheduler_add(queue->scheduler, mail, slices, slice_count);
		return;
	}
	if (log_begin(&line, LOG_INFO, EVENT_HELD, mail->id)) {
		log_text(&line, KEY_USER, mail->login);
		log_text(&line, KEY_LIST, mail->list);
		log_text(&line, KEY_REASON, "over the user's limit");
		log_end(&line);
	}
	caps_note_held(queue->caps, mail->user_id);
	free(mail);
}

static void
on_caps_ready(void *ctx)
{
	intake_on_caps_ready(((struct queue *)ctx)->intake);
}

static void
on_released(void *ctx)
{
	scheduler_released(((struct queue *)ctx)->scheduler);
}

static void
on_attempt(struct entry *entry, struct link *relay, void *ctx)
{
	struct queue *queue = ctx;

	handover_start(queue->handovers, entry, relay);
}

static void
on_uncertain(struct entry *entry, void *ctx)
{
	struct queue *queue = ctx;

	fate_lost(queue->fates, entry);
}

struct hold {
	struct scan_job scan;
	uint64_t id;
};

static void
on_held(struct job *job)
{
	struct hold *hold = (struct hold *)(void *)job;

	free(hold->scan.ids_out);
	free(hold->scan.files_out);
	free(hold);
}

/* A message that can't be read back waits for an operator; it is not lost by a second try. */
static void
hold_message(struct queue *queue, uint64_t message_id, const char *reason)
{
	struct hold *hold = xcalloc(1, sizeof(*hold));
	struct log_line line;

	hold->id = message_id;
	hold->scan.job.on_done = on_held;
	hold->scan.job.urgency = JOB_WRITES;
	hold->scan.action = SCAN_HOLD;
	hold->scan.filter.ids = &hold->id;
	hold->scan.filter.id_count = 1;
	hold->scan.limit = 1;
	storage_post(queue->storage, STORE_SCAN, &hold->scan.job);
	if (log_begin(&line, LOG_ERROR, EVENT_HELD, message_id)) {
		log_text(&line, KEY_REASON, reason);
		log_end(&line);
	}
	role_alert(queue->role, "message-unreadable", "", "", "", reason);
}

static void
on_unreadable(uint64_t message_id, void *ctx)
{
	hold_message(ctx, message_id, "the message could not be read from the queue");
}

static void
on_handover_end(uint64_t message_id, uint64_t attempt, bool is_whole, void *ctx)
{
	struct queue *queue = ctx;
	struct entry *entry = scheduler_find(queue->scheduler, message_id);

	if (entry == NULL || entry->attempt != attempt)
		return;
	if (is_whole) {
		entry->was_handed_over = true;
		return;
	}
	entry->is_to_hold = true;
	hold_message(queue, message_id, "the message's body could not be read from the queue");
}

/* The requests that wait hear of it by the end of their links: 451. */
static void
on_broken(const char *reason, void *ctx)
{
	log_problem(LOG_ERROR, "the queue's storage failed, starting again: %s", reason);
	exit(EXIT_SYSTEM);
}

/* A new queue.db would be begun by the next start: what was taken until then would be forgotten. */
static void
watch_place(struct queue *queue)
{
	static const char reason[] =
	    "queue.db was removed or replaced while it is in use: no mail is taken. What waits is "
	    "still sent, but a stop would lose it: posternctl queue backup saves it";
	bool is_misplaced = !storage_is_in_place(queue->storage);

	if (is_misplaced && !queue->is_misplaced) {
		log_problem(LOG_ERROR, "%s", reason);
		role_alert(queue->role, "queue-removed", "", "", "", reason);
	}
	queue->is_misplaced = is_misplaced;
}

static enum intake_state
intake_state(const struct queue *queue, bool has_room)
{
	if (queue->is_misplaced)
		return INTAKE_CLOSED;
	return has_room ? INTAKE_OPEN : INTAKE_DISK_FULL;
}

static void
on_space(uint64_t free_bytes, void *ctx)
{
	struct queue *queue = ctx;
	bool has_room = free_bytes >= queue->role->config->limits.free_space_bytes;

	scheduler_watch_clock(queue->scheduler);
	scheduler_watch_fallbacks(queue->scheduler);
	history_set_room(queue->history, has_room);
	fates_set_room(queue->fates, has_room);
	storage_set_room(queue->storage,
	    has_room ? free_bytes - queue->role->config->limits.free_space_bytes : 0);
	watch_place(queue);
	if (!queue->role->is_draining)
		intake_set_state(queue->intake, intake_state(queue, has_room));
}

/* ---- the role ---- */

static void
on_profiles(struct job *job)
{
	struct queue *queue = job->ctx;

	for (uint32_t i = 0; i < queue->profiles.row_count_out; i++)
		routes_remember(scheduler_routes(queue->scheduler), &queue->profiles.rows_out[i]);
	free(queue->profiles.rows_out);
	scheduler_remembered(queue->scheduler);
}

static void
make_parts(struct queue *queue)
{
	static const struct scheduler_callbacks callbacks = {
	    .on_attempt = on_attempt,
	    .on_uncertain = on_uncertain,
	    .on_unreadable = on_unreadable,
	};
	static const struct caps_callbacks caps_callbacks = {on_caps_ready, on_released};
	struct role_context *role = queue->role;

	queue->history = history_start(role, queue->storage, ".");
	queue->scheduler = scheduler_new(role, queue->storage, &callbacks, queue);
	queue->refusals = refusals_new(role, queue->storage, scheduler_routes(queue->scheduler));
	queue->caps = caps_new(
	    role, queue->storage, scheduler_routes(queue->scheduler), &caps_callbacks, queue);
	queue->intake = intake_new(role->loop, queue->storage, queue->caps,
	    scheduler_routes(queue->scheduler), on_stored, queue);
	intake_set_clients(queue->intake, role->config->limits.connections);
	queue->handovers = handovers_new(queue->storage, on_handover_end, queue);
	queue->notices =
	    notices_new(role, queue->storage, scheduler_routes(queue->scheduler), queue->intake);
	queue->fates = fates_new(role, queue->storage, queue->scheduler, queue->notices);
	queue->aging =
	    aging_new(role, queue->storage, queue->scheduler, queue->fates, queue->notices);
	queue->backups = backups_new(role, queue->storage, queue->history);
	queue->operators = operators_new(role, queue->storage, queue->scheduler, queue->handovers,
	    queue->caps, queue->backups, queue->history);
	queue->waiting = waiting_new(queue->storage, scheduler_routes(queue->scheduler));
	queue->profiles.job =
	    (struct job){.on_done = on_profiles, .ctx = queue, .urgency = JOB_READS};
	scheduler_routes(queue->scheduler)->has_to_remember = true;
	storage_post(queue->storage, STORE_PROFILES, &queue->profiles.job);
}

static void
tell_of_backup(int64_t backup_at_ms)
{
	char text[CLOCK_RFC3339_SIZE];

	if (backup_at_ms != 0)
		log_problem(LOG_WARNING,
		    "the queue is that of a backup of %s: all its messages are held, so that none "
		    "goes out a second time; posternctl queue release lets them go",
		    clock_rfc3339(backup_at_ms, text, sizeof(text)));
}

static int
start(struct role_context *role, struct err *err_out)
{
	struct queue *queue = xcalloc(1, sizeof(*queue));
	struct storage_options options = {
	    .directory = ".",
	    .wal_limit_bytes = STORAGE_WAL_LIMIT_BYTES,
	    .reserve_bytes = role->config->queue.reserve_bytes,
	    .on_broken = on_broken,
	    .on_space = on_space,
	    .ctx = queue,
	};

	queue->role = role;
	if (storage_open(role->loop, &options, &queue->storage, err_out) != 0) {
		free(queue);
		return -1;
	}
	tell_of_backup(storage_backup_at_ms(queue->storage));
	make_parts(queue);
	role->state = queue;
	return 0;
}

static void
on_link(struct role_context *role, struct link *link)
{
	struct queue *queue = role->state;

	if (link_peer(link) == ROLE_SMTPD) {
		intake_add_link(queue->intake, link);
		caps_add_link(queue->caps, link);
	} else if (link_peer(link) == ROLE_RELAY) {
		scheduler_add_relay(queue->scheduler, link);
	}
}

static void
on_link_lost(struct role_context *role, struct link *link)
{
	struct queue *queue = role->state;

	if (link_peer(link) == ROLE_SMTPD) {
		intake_drop_link(queue->intake, link);
		caps_drop_link(queue->caps, link);
	} else if (link_peer(link) == ROLE_RELAY) {
		handover_stop_all(queue->handovers);
		scheduler_drop_relay(queue->scheduler, link);
	} else if (link_peer(link) == ROLE_CONTROL) {
		operators_drop_link(queue->operators);
	} else if (link_peer(link) == ROLE_ACCOUNTS) {
		waiting_drop_link(queue->waiting);
	}
}

static void
on_message(struct role_context *role, struct link *link, const struct link_message *message)
{
	struct queue *queue = role->state;
	const union message *body = message->body;

	switch (message->kind) {
	case MSG_BODY:
		if (link_peer(link) == ROLE_SMTPD)
			intake_body(queue->intake, link, message);
		else
			link_fail(link, "it sent a body");
		break;
	case MSG_COMMIT:
		intake_commit(queue->intake, link, message);
		break;
	case MSG_ABORT:
		if (link_peer(link) == ROLE_SMTPD)
			intake_abort(queue->intake, link, body->abort.stream);
		break;
	case MSG_REFUSED:
		refusals_note(queue->refusals, &body->refused);
		break;
	case MSG_ROUTE:
		routes_take(scheduler_routes(queue->scheduler), &body->route);
		break;
	case MSG_WAITING_GET:
		waiting_answer(queue->waiting, link, message);
		break;
	case MSG_IN_FLIGHT:
		if (!scheduler_in_flight(queue->scheduler, &body->in_flight)) {
			log_problem(LOG_ERROR, "relay has in flight what it can't have: its link "
					       "is ended");
			link_fail(link, "it has in flight what it can't have");
		}
		break;
	case MSG_CREDIT:
		handover_credit(queue->handovers, body->credit.stream, body->credit.bytes);
		break;
	case MSG_REPORT:
		handover_stop(queue->handovers, body->report.attempt);
		fate_report(queue->fates, &body->report);
		break;
	case MSG_CALL:
		operators_call(queue->operators, link, message);
		break;
	default:
		log_problem(LOG_WARNING, "the queue has no use for a message %s",
		    message_name(message->kind));
	}
}

static void
reload(struct role_context *role)
{
	struct queue *queue = role->state;

	caps_reload(queue->caps);
	routes_find_notice_profile(scheduler_routes(queue->scheduler));
	aging_reload(queue->aging);
	intake_set_clients(queue->intake, role->config->limits.connections);
}

/* Relay is drained by now, so every fate there will be is on its way to disk. */
static void
drain(struct role_context *role, int64_t within_ms)
{
	struct queue *queue = role->state;

	intake_set_state(queue->intake, INTAKE_CLOSED);
	role_drained(role);
}

static void
stop(struct role_context *role)
{
	struct queue *queue = role->state;

	/* Nothing new begins while the last jobs end. */
	scheduler_drop_relay(queue->scheduler, scheduler_relay(queue->scheduler));
	refusals_flush(queue->refusals);
	backups_stop(queue->backups);
	history_stop(queue->history);
	storage_close(queue->storage);
	history_free(queue->history);
	refusals_free(queue->refusals);
	operators_free(queue->operators);
	waiting_free(queue->waiting);
	backups_free(queue->backups);
	aging_free(queue->aging);
	fates_free(queue->fates);
	notices_free(queue->notices);
	handovers_free(queue->handovers);
	intake_free(queue->intake);
	caps_free(queue->caps);
	scheduler_free(queue->scheduler);
	free(queue);
}

const struct role_ops queue_ops = {
    .start = start,
    .reload = reload,
    .on_link = on_link,
    .on_link_lost = on_link_lost,
    .on_message = on_message,
    .drain = drain,
    .stop = stop,
};
