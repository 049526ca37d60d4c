/*
 * suspects - whether what an upstream says of its account is about one message after all
 *
 * Owns     nothing
 * Context  pure
 *
 * A reply of which own_words.c could not tell what it repeats stops the account for all, and the
 * message that made it comes back and stops it again. So a message that hears the same of the account
 * again is looked at alone: the second time if others have passed meanwhile, the fourth time if none
 * was tried. Another message that hears it in between, before one has passed, clears it.
 */
#ifndef POSTERN_RELAY_SUSPECTS_H
#define POSTERN_RELAY_SUSPECTS_H

#include "daemon/config/reply_class.h"

#include <stdbool.h>
#include <stdint.h>

#define SUSPECTS_MAX 8 /* the latest */

struct suspect {
	uint64_t message_id;
	enum reply_class class;
	unsigned times;  /* 0: nobody */
	bool has_passed; /* another message, since it heard it first */
};

/* Zeroes to begin with. */
struct suspects {
	struct suspect list[SUSPECTS_MAX];
	unsigned next;
};

/* It heard this of the account. True: it is to wait alone. */
bool suspects_hear(struct suspects *suspects, uint64_t message_id, enum reply_class class);
/* It was taken. */
void suspects_pass(struct suspects *suspects, uint64_t message_id);

#endif
