/* orphans - asks the store whose mail it has, and holds that against the routes. */
#include "daemon/queue/orphans.h"

#include "common/log.h"
#include "common/xalloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct orphans {
	struct role_context *role;
	struct storage *storage;
	struct routes *routes;
	struct owners_job job;
	bool is_asking, wants_again;
};

static void
tell(struct orphans *orphans, const struct owner_row *row)
{
	const char *reason = routes_problem(orphans->routes, row->user_id);
	struct log_line line;
	char detail[512];

	if (log_begin(&line, LOG_WARNING, EVENT_HELD, 0)) {
		log_text(&line, KEY_USER, row->login);
		log_text(&line, KEY_LIST, row->list);
		log_number(&line, KEY_WAITING, (int64_t)row->count);
		log_text(&line, KEY_REASON, reason);
		log_end(&line);
	}
	if (strcmp(reason, "no profile") == 0)
		(void)snprintf(detail, sizeof(detail),
		    "no profile takes this user's mail, %" PRIu64
		    " wait: make one the default (profile add … --default, or profile default "
		    "NAME)",
		    row->count);
	else
		(void)snprintf(
		    detail, sizeof(detail), "%.400s; %" PRIu64 " wait", reason, row->count);
	role_alert(orphans->role, "no-profile", row->login, row->list, "", detail);
}

static void
take_row(struct orphans *orphans, const struct owner_row *row)
{
	struct user *user = routes_adopt(orphans->routes, row->user_id, row->login, row->list);

	user->has_mail = true;
	if (routes_of_user(orphans->routes, user->id) != NULL || user->is_told)
		return;
	user->is_told = true;
	tell(orphans, row);
}

static void
free_rows(struct owners_job *job)
{
	for (uint32_t i = 0; i < job->row_count_out; i++) {
		free(job->rows_out[i].login);
		free(job->rows_out[i].list);
	}
	free(job->rows_out);
}

static void
on_owners(struct job *job)
{
	struct orphans *orphans = job->ctx;
	const struct owners_job *owners = &orphans->job;

	orphans->is_asking = false;
	/* Without the whole map nobody can be called unknown; its end asks again. */
	if (job->outcome == JOB_DONE && orphans->routes->is_complete) {
		for (uint32_t i = 0; i < owners->row_count_out; i++)
			take_row(orphans, &owners->rows_out[i]);
		routes_drop_orphans(orphans->routes);
	}
	free_rows(&orphans->job);
	if (orphans->wants_again)
		orphans_look(orphans);
}

void
orphans_look(struct orphans *orphans)
{
	orphans->wants_again = orphans->is_asking;
	if (orphans->is_asking)
		return;
	orphans->is_asking = true;
	orphans->job = (struct owners_job){
	    .job = {.on_done = on_owners, .ctx = orphans, .urgency = JOB_READS}};
	storage_post(orphans->storage, STORE_OWNERS, &orphans->job.job);
}

struct orphans *
orphans_new(struct role_context *role, struct storage *storage, struct routes *routes)
{
	struct orphans *orphans = xcalloc(1, sizeof(*orphans));

	orphans->role = role;
	orphans->storage = storage;
	orphans->routes = routes;
	return orphans;
}

void
orphans_free(struct orphans *orphans)
{
	free(orphans);
}
