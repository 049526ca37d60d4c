/*
 * rework - a message as it came, and as it is to leave
 *
 * Role     mime; pure: bytes in, bytes out
 * Owns     the message and what is changed in it, until rework_fini()
 * Units    octets
 * Fails    as an outcome. What can't be changed safely is left as it is, with a remark; only what an
 *          upstream can't take (7 bits) is refused
 *
 * The sender's fields, then the signatures, then 7 bits: the last of a message that has the others
 * already.
 */
#ifndef POSTERN_MIME_REWORK_H
#define POSTERN_MIME_REWORK_H

#include "daemon/core/values.h"
#include "daemon/mime/addition.h"
#include "daemon/mime/edits.h"
#include "daemon/mime/sender.h"

struct rework_order {
	struct sender_wishes sender;
	struct signatures signatures;
	bool to_7bit;
};

/* Zeroed at the beginning, but for the message. */
struct rework {
	char *message;
	size_t size;
	struct edits edits;
	enum rework_outcome outcome;
	bool is_7bit;
	const char *remark; /* NULL: everything was done */
};

/* Before the rights are given up. */
void rework_prepare(void);
void rework_run(struct rework *rework, const struct rework_order *order);
void rework_fini(struct rework *rework);

#endif
