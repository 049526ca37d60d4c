/*
 * shares - which priority is next: the highest, and now and then a lower one
 *
 * Owns     nothing; pure arithmetic on a struct
 * Context  loop
 *
 * Of the messages picked while lower priorities wait, a share goes to those, in turn. What counts
 * is how many went ahead one after another: a few urgent ones among the rest are never kept
 * waiting by it.
 */
#ifndef POSTERN_QUEUE_SHARES_H
#define POSTERN_QUEUE_SHARES_H

#include <stdint.h>

#define PRIORITIES 5
/* Priorities as bits, 1 is the first. */
#define PRIORITY_BIT(priority) (1u << ((priority)-1))
#define PRIORITY_BITS_ALL ((1u << PRIORITIES) - 1)
/* 1 and 2: what the last connection and the reserve are kept for. */
#define PRIORITY_BITS_URGENT (PRIORITY_BIT(1) | PRIORITY_BIT(2))

struct shares {
	/* For each priority but the last: messages of it and of higher ones that went since one of
	 * a lower priority did, while any of those waited. */
	uint32_t ahead[PRIORITIES - 1];
	uint8_t last_lower; /* whose turn it was last among the lower ones */
};

/* The highest that waits, 0: none does. */
uint8_t shares_highest(unsigned waiting);
/* The lower one whose share is due, 0: none. */
uint8_t shares_due(const struct shares *shares, unsigned waiting, unsigned percent);
/* One of this priority was picked while these waited. */
void shares_note(struct shares *shares, uint8_t picked, unsigned waiting);

#endif
