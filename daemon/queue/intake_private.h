/*
 * intake_private - a message that comes in, for the files that take it
 *
 * intake.c gives ids, takes pieces and commits from the smtpds; intake_partial.c gathers one
 * message's pieces, in memory or in a file. Nobody else includes this.
 */
#ifndef POSTERN_QUEUE_INTAKE_PRIVATE_H
#define POSTERN_QUEUE_INTAKE_PRIVATE_H

#include "common/list.h"
#include "daemon/queue/idmap.h"
#include "daemon/queue/ids.h"
#include "daemon/queue/intake.h"

#define SMTPDS_MAX 64

struct smtpd {
	struct link *link;
	uint32_t owner; /* of its ids: a number for each link */
	uint64_t first_id;
	bool wants_ids;
	uint32_t stream_count; /* of its messages whose COMMIT has not come */
};

struct partial {
	struct list link; /* while its COMMIT waits for the limits */
	struct intake *intake;
	struct smtpd *from; /* NULL: nobody is to be answered */
	uint32_t owner;     /* from->owner is another after its link was lost */
	uint64_t id;
	uint64_t size;
	uint64_t uncredited; /* bytes that its smtpd was not given back */
	int64_t expires_at_ms;
	bool is_committing;
	struct slice *slices; /* the whole body, or none */
	uint32_t slice_count;
	uint64_t small_bytes; /* of a body that is not in a file */
	uint64_t kept_bytes;  /* of a body in a file that is in memory too */
	bool is_in_file;
	struct bodyfile body;
	struct write_job *gathered; /* pieces that are not on their way to the file; NULL: none */
	enum job_outcome outcome;   /* of the writes so far */
	uint32_t request_id;
	struct mail *mail;
	char *from_address; /* see COMMIT; NULL: of a notice */
	struct charge charge;
	struct insert_job insert;
	struct bodyfile_job file; /* sync or remove */
};

struct intake {
	struct loop *loop;
	struct storage *storage;
	struct caps *caps;
	struct routes *routes;
	struct ids *ids;
	intake_stored_fn on_stored;
	void *ctx;
	enum intake_state state;
	uint32_t last_owner;
	struct smtpd smtpds[SMTPDS_MAX];
	struct idmap partials;            /* until COMMIT */
	struct list unjudged;             /* until the limits are known */
	uint64_t small_bytes, kept_bytes; /* of all */
	uint32_t stream_limit;            /* of one smtpd, and of those that are being committed */
	uint32_t commit_count;
	uint64_t own_first, own_next;
};

/* NULL when its smtpd is gone. */
struct link *partial_link(const struct partial *partial);
/* Takes the slice. False: it is more than the smtpd has credit for. */
__attribute__((warn_unused_result)) bool partial_add(struct partial *partial, struct slice slice);
/* What was gathered of its file goes there now. */
void partial_write_gathered(struct partial *partial);
void partial_free(struct partial *partial);
/* Frees it, and removes its file if it has one. */
void partial_discard(struct partial *partial);

#endif
