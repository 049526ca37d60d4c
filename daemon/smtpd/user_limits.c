/* user_limits - a table by the user's id; what is over leaves when it is met. */
#include "daemon/smtpd/user_limits.h"

#include "common/list.h"
#include "common/xalloc.h"

#include <stdlib.h>

#define BUCKET_COUNT 1024

struct limit {
	struct list link;
	uint64_t user_id;
	uint32_t recipients;
	int64_t until_ms;
};

struct user_limits {
	struct list buckets[BUCKET_COUNT];
	unsigned count;
};

struct user_limits *
user_limits_new(void)
{
	struct user_limits *limits = xcalloc(1, sizeof(*limits));

	for (size_t i = 0; i < BUCKET_COUNT; i++)
		list_init(&limits->buckets[i]);
	return limits;
}

static void
drop(struct user_limits *limits, struct limit *limit)
{
	list_remove(&limit->link);
	limits->count--;
	free(limit);
}

void
user_limits_forget_all(struct user_limits *limits)
{
	for (size_t i = 0; i < BUCKET_COUNT; i++)
		LIST_EACH_SAFE (&limits->buckets[i], at, next)
			drop(limits, LIST_ENTRY(at, struct limit, link));
}

void
user_limits_free(struct user_limits *limits)
{
	if (limits == NULL)
		return;
	user_limits_forget_all(limits);
	free(limits);
}

static struct limit *
find(struct user_limits *limits, uint64_t user_id)
{
	LIST_EACH (&limits->buckets[user_id % BUCKET_COUNT], at) {
		struct limit *limit = LIST_ENTRY(at, struct limit, link);

		if (limit->user_id == user_id)
			return limit;
	}
	return NULL;
}

void
user_limits_put(struct user_limits *limits, const struct msg_user_limit *message)
{
	struct limit *limit = find(limits, message->user_id);

	if (message->until_ms == 0) {
		if (limit != NULL)
			drop(limits, limit);
		return;
	}
	if (limit == NULL) {
		if (limits->count >= USER_LIMITS_MAX)
			user_limits_forget_all(limits);
		limit = xcalloc(1, sizeof(*limit));
		limit->user_id = message->user_id;
		list_append(&limits->buckets[message->user_id % BUCKET_COUNT], &limit->link);
		limits->count++;
	}
	limit->recipients = message->recipients;
	limit->until_ms = message->until_ms;
}

uint32_t
user_limits_find(
    struct user_limits *limits, uint64_t user_id, int64_t now_ms, int64_t *until_ms_out)
{
	struct limit *limit = find(limits, user_id);

	if (limit != NULL && limit->until_ms <= now_ms) {
		drop(limits, limit);
		limit = NULL;
	}
	*until_ms_out = limit == NULL ? 0 : limit->until_ms;
	return limit == NULL ? UINT32_MAX : limit->recipients;
}
