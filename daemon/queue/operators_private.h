/*
 * operators_private - one call of the API, for the files that answer it
 *
 * operators.c has the routes and the answers' ends, operators_count.c the queue's counts,
 * operators_scan.c the walk over messages that lists or changes them, operators_filter.c which
 * messages a call means, operators_schedule.c a new time for one, operators_body.c a body and the
 * recipients piece by piece, operators_usage.c what a user has sent, operators_backup.c checks and
 * backups, operators_track.c what became of messages, operators_stats.c what was counted. Nobody else includes this.
 */
#ifndef POSTERN_QUEUE_OPERATORS_PRIVATE_H
#define POSTERN_QUEUE_OPERATORS_PRIVATE_H

#include "daemon/core/result.h"
#include "daemon/queue/operator_json.h"
#include "daemon/queue/operators.h"

struct operators {
	struct role_context *role;
	struct storage *storage;
	struct scheduler *scheduler;
	struct handovers *handovers;
	struct caps *caps;
	struct backups *backups;
	struct history *history;
	struct link *control;
	unsigned generation; /* of the link */
};

/* One call that waits for the disk. */
struct call {
	struct scan_job scan; /* first: what on_done gets */
	struct count_job count;
	struct load_job load;
	struct body_job body;
	struct bodyfile_job file;
	struct operators *operators;
	unsigned generation;
	uint32_t request_id;
	bool is_single; /* one message by its id */
	uint64_t single_id;
	bool was_sending; /* it, when the store was asked: the attempt may end before the answer */
	char *login, *list;
	const char *unknown_field; /* the filter's name that accounts does not know */
	uint64_t *user_ids, *sending, *ids;
	uint32_t wanted, changed;
	size_t page_bytes;
	uint64_t offset; /* of a body */
	json_t *page;
};

/* NULL: accounts names no user of this login. */
const struct user *operators_find_user(const struct operators *operators, const char *login);
/* How it is; what waits for it is counted in the job's rows. */
/* How it is with so many waiting: ok, limited, stopped or paused; until when, wall clock, 0: not known. */
const char *operators_standing(struct operators *operators, const struct profile *profile,
    uint64_t waiting, int64_t *until_ms_out);
json_t *operators_profile_state(
    struct operators *operators, struct profile *profile, const struct count_job *job);

/* Each answers the call and frees it. */
void call_send_result(
    struct call *call, uint16_t status, const char *type, const void *bytes, size_t size);
/* Takes the value. */
void call_answer_json(struct call *call, uint16_t status, json_t *value);
void call_answer_error(
    struct call *call, uint16_t status, const char *code, const char *message, const char *field);
void call_answer_storage_error(struct call *call, enum job_outcome outcome);
void call_answer_unknown(struct call *call);

/* Each takes the call over, until it is answered. */
void call_start_count(struct call *call);
void call_answer_usage(struct call *call, const char *login);
void call_start_explain(struct call *call, const char *path);
void call_start_list(struct call *call, const char *path);
void call_start_single(struct call *call, enum scan_action action, uint64_t id);
void call_start_change(struct call *call, enum scan_action action, const json_t *which);
void call_start_schedule(struct call *call, uint64_t id, const json_t *body);
void call_start_check(struct call *call);
void call_start_backup(struct call *call, const char *path);
void call_start_recipients(struct call *call, uint64_t id, const char *path);
void call_start_body(struct call *call, uint64_t id, const char *path);
void call_start_track(struct call *call, const char *path);
void call_start_stats(struct call *call, const char *path);
/* The new time is on disk. */
void call_answer_schedule(struct call *call);
/* Whether all names of the query are known, for call_answer_unknown_name(). */
void call_look_up_names(struct call *call, const char *path);
/* Nothing was found: whether it was answered because a name is unknown. */
bool call_answer_unknown_name(struct call *call);
/* Walks on over the messages that the call's filter means. */
void call_post_scan(struct call *call);

/* As the API has a message of the queue. */
json_t *call_message(struct operators *operators, const struct mail *mail);
/* The query's since and until: a time, or how long ago; 0 if it isn't there. Gives NULL, or what is
 * wrong with *field_out. */
const char *call_parse_span(struct call *call, const char *path, int64_t *since_ms_out,
    int64_t *until_ms_out, const char **field_out);
/* Nothing but digits, within the limits. */
bool call_parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *number_out);

#endif
