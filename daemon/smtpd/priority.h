/*
 * priority - how urgent a message is: what its header says, within what its user may have
 *
 * Owns     nothing
 * Units    1 very high, 2 high, 3 normal, 4 low, 5 very low; 0 nothing was said
 */
#ifndef POSTERN_SMTPD_PRIORITY_H
#define POSTERN_SMTPD_PRIORITY_H

#include <stdbool.h>
#include <stddef.h>

/* What the fields said, the first of each name. */
struct priority_hints {
	unsigned importance, x_priority, x_msmail_priority, priority;
};

/* Notes a field if it's about priority. */
void priority_note(struct priority_hints *hints, const char *name, size_t name_length,
    const char *value, size_t value_length);
bool priority_is_field(const char *name, size_t name_length);

/* The message's own: Importance before X-Priority before X-MSMail-Priority before Priority. */
unsigned priority_own(const struct priority_hints *hints);

/* MT-PRIORITY's -9 to 9, of which the larger is the more urgent (RFC 6710) */
unsigned priority_from_mt(int mt_priority);
/* As much of it as a user may ask of those that the message goes on to. */
int priority_limit_mt(int mt_priority, unsigned user_max);

/* The user's is the floor, the maximum the ceiling. `own` may be 0. */
unsigned priority_effective(unsigned own, unsigned user, unsigned user_max);

/* `high`, `normal` or `low`, for Importance: */
const char *priority_importance(unsigned priority);

#endif
