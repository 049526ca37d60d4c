/*
 * notices - makes messages of ours that tell a sender what became of recipients
 *
 * Role     queue; asked for fates (fate_notice.c) and for what waits for long (aging.c)
 * Owns     what the senders of each user were sent lately, in memory only
 * Context  loop
 * Fails    an order without a notice: it was one too many, or no id could be had; operators are told
 *
 * A notice is stored in the commit of what it tells of, by whoever ordered it. A restart forgets how
 * many there were: it gives a user at most another queue.notices, and a count on disk would cost
 * each notice a write.
 */
#ifndef POSTERN_QUEUE_NOTICES_H
#define POSTERN_QUEUE_NOTICES_H

#include "daemon/queue/dsn.h"
#include "daemon/queue/intake.h"
#include "daemon/queue/routes.h"

struct notices;

struct notice_order {
	/* what it is about; all of it borrowed until on_made */
	const struct mail *mail;
	const struct slice *slices; /* of its body, if that is in memory */
	uint32_t slice_count;
	const struct dsn_recipient *told;
	uint32_t told_count;
	const char *why;       /* they are delayed; NULL: see dsn.h */
	struct notice *notice; /* zeroes; what is made is put there */
	void (*on_made)(struct notice_order *order);
	void *owner;
	/* for notices.c */
	struct notices *notices;
	struct body_job body;
	struct bodyfile_job file;
};

struct notices *notices_new(struct role_context *role, struct storage *storage,
    const struct routes *routes, struct intake *intake);
/* After storage_close(). */
void notices_free(struct notices *notices);

/* True: it is made, as far as it can be. False: the body is read first, and on_made follows. */
__attribute__((warn_unused_result)) bool notices_make(
    struct notices *notices, struct notice_order *order);

#endif
