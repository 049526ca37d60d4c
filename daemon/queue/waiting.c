/* waiting - counts on the storage thread, behind what was committed before the question. */
#include "daemon/queue/waiting.h"

#include "common/xalloc.h"

#include <stdlib.h>

struct waiting {
	struct storage *storage;
	const struct routes *routes;
	struct link *accounts;
	unsigned generation; /* of the link */
};

struct question {
	struct count_job count;
	struct waiting *waiting;
	unsigned generation;
	uint32_t request_id;
	uint64_t profile_id;
};

/* What a fallback takes just now is the profile's own all the same: its removal moves that too. */
static bool
is_of(const struct routes *routes, uint64_t flow_id, uint64_t profile_id)
{
	const struct profile *own = routes_own_of(routes, flow_id);
	const struct profile *through = routes_of_user(routes, flow_id);

	return (own != NULL && own->id == profile_id) ||
	       (through != NULL && through->id == profile_id);
}

static void
on_counted(struct job *job)
{
	struct question *question = job->ctx;
	struct waiting *waiting = question->waiting;
	struct msg_waiting answer = {
	    .profile_id = question->profile_id,
	    .is_known = job->outcome == JOB_DONE && !question->count.is_partial_out,
	};

	for (uint32_t i = 0; i < question->count.row_count_out; i++)
		if (is_of(
			waiting->routes, question->count.rows_out[i].user_id, question->profile_id))
			answer.messages += question->count.rows_out[i].count;
	if (waiting->accounts != NULL && question->generation == waiting->generation)
		link_answer(waiting->accounts, question->request_id, MSG_WAITING, &answer);
	free(question->count.rows_out);
	free(question);
}

void
waiting_answer(struct waiting *waiting, struct link *accounts, const struct link_message *message)
{
	struct question *question = xcalloc(1, sizeof(*question));

	if (waiting->accounts != accounts) {
		waiting->accounts = accounts;
		waiting->generation++;
	}
	question->waiting = waiting;
	question->generation = waiting->generation;
	question->request_id = message->request_id;
	question->profile_id = message->body->waiting_get.profile_id;
	question->count.job =
	    (struct job){.on_done = on_counted, .ctx = question, .urgency = JOB_READS};
	storage_post(waiting->storage, STORE_COUNT, &question->count.job);
}

void
waiting_drop_link(struct waiting *waiting)
{
	waiting->accounts = NULL;
	waiting->generation++;
}

struct waiting *
waiting_new(struct storage *storage, const struct routes *routes)
{
	struct waiting *waiting = xcalloc(1, sizeof(*waiting));

	waiting->storage = storage;
	waiting->routes = routes;
	return waiting;
}

void
waiting_free(struct waiting *waiting)
{
	free(waiting);
}
