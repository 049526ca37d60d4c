/* suspects - the messages that heard something of the account lately. */
#include "daemon/relay/suspects.h"

#include <stddef.h>

#define TIMES_BESIDE_OTHERS 2
#define TIMES_ALONE 4

static bool
is_same(const struct suspect *suspect, uint64_t message_id, enum reply_class class)
{
	return suspect->times > 0 && suspect->message_id == message_id && suspect->class == class;
}

/* Another heard it as well, and nothing has passed since: it is the account's. */
static bool
clear_others(struct suspects *suspects, uint64_t message_id, enum reply_class class)
{
	bool has_others = false;

	for (size_t i = 0; i < SUSPECTS_MAX; i++) {
		struct suspect *suspect = &suspects->list[i];

		if (suspect->times == 0 || suspect->class != class ||
		    suspect->message_id == message_id || suspect->has_passed)
			continue;
		suspect->times = 0;
		has_others = true;
	}
	return has_others;
}

static struct suspect *
find(struct suspects *suspects, uint64_t message_id, enum reply_class class)
{
	struct suspect *suspect;

	for (size_t i = 0; i < SUSPECTS_MAX; i++)
		if (is_same(&suspects->list[i], message_id, class))
			return &suspects->list[i];
	suspect = &suspects->list[suspects->next++ % SUSPECTS_MAX];
	*suspect = (struct suspect){.message_id = message_id, .class = class};
	return suspect;
}

bool
suspects_hear(struct suspects *suspects, uint64_t message_id, enum reply_class class)
{
	bool is_shared = clear_others(suspects, message_id, class);
	struct suspect *suspect = find(suspects, message_id, class);

	if (is_shared)
		suspect->times = 0;
	suspect->times++;
	return suspect->times >= TIMES_ALONE ||
	       (suspect->times >= TIMES_BESIDE_OTHERS && suspect->has_passed);
}

void
suspects_pass(struct suspects *suspects, uint64_t message_id)
{
	for (size_t i = 0; i < SUSPECTS_MAX; i++)
		if (suspects->list[i].message_id == message_id)
			suspects->list[i].times = 0;
		else
			suspects->list[i].has_passed = true;
}
