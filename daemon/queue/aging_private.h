/*
 * aging_private - the inside of aging, for the files that make it up
 *
 * aging.c walks over what is old enough, aging_warning.c tells a sender that it is late. Nobody else
 * includes this.
 */
#ifndef POSTERN_QUEUE_AGING_PRIVATE_H
#define POSTERN_QUEUE_AGING_PRIVATE_H

#include "daemon/queue/aging.h"

struct aging {
	struct role_context *role;
	struct storage *storage;
	struct scheduler *scheduler;
	struct fates *fates;
	struct notices *notices;
	struct timer *timer;
	unsigned step; /* of the look that is under way */
	bool is_asking;
	bool has_entered; /* for this look, what came since the last one */
	struct enter_ages_job entering;
	struct aged_job slice;
	unsigned warnings; /* being written */
	bool is_marking;
	uint64_t overdue_ids[AGED_ROWS_MAX];
	struct age_job overdue;
};

/* Tells the message's sender, unless it is on its way or nobody is to be told; that is over when
 * aging->warnings has fallen again. */
void aging_warn(struct aging *aging, uint64_t message_id);

#endif
