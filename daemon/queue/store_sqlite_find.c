/*
 * store_sqlite_find - which messages a scan means: their ids, without looking at others
 *
 * The tally knows which users have mail in which states, and under which names. Each of these
 * classes is one range of an index, in the order of ids (a stream). A change takes one stream after
 * the other; a list keeps the smallest ids that it has met, so that of each further stream it reads
 * only what comes before the largest of them. What selects everything is a walk over the table.
 */
#include "daemon/queue/store_sqlite.h"

#include "common/clock.h"
#include "common/xalloc.h"
#include "daemon/queue/store_sqlite_search.h"

#include <stdlib.h>
#include <string.h>

/* So many steps are quick enough to go without a look at the clock. */
#define STEPS_A_LOOK 64

/* ---- what to look at ---- */

static bool
is_named(const struct scan_filter *filter, const struct tally_name *name)
{
	return (filter->login == NULL || strcmp(filter->login, name->login) == 0) &&
	       (filter->list == NULL || strcmp(filter->list, name->list) == 0);
}

/* Whether the user's mail may be meant; *is_mixed_out: not all of it. */
static bool
is_user_wanted(const struct scan_filter *filter, const struct tally_user *user, bool *is_mixed_out)
{
	uint32_t named = 0;

	if (user->total == 0 ||
	    (filter->has_users && !scan_has_id(filter->user_ids, filter->user_count, user->id)))
		return false;
	for (uint32_t i = 0; i < user->name_count; i++)
		named += is_named(filter, &user->names[i]);
	*is_mixed_out = named < user->name_count;
	return named > 0;
}

static void
add_stream(struct scan_search *search, const struct tally_class *class, bool is_mixed)
{
	if (search->stream_count == search->stream_capacity) {
		search->stream_capacity =
		    search->stream_capacity == 0 ? 64 : search->stream_capacity * 2;
		search->streams =
		    xrealloc(search->streams, search->stream_capacity, sizeof(*search->streams));
	}
	search->streams[search->stream_count++] =
	    (struct scan_stream){.class = *class, .is_mixed = is_mixed};
}

static void
add_streams_of(struct scan_search *search, const struct scan_job *job,
    const struct tally_user *user, bool is_mixed)
{
	struct tally_class class = {.user_id = user->id};

	for (class.state = 0; class.state < TALLY_STATES; class.state++)
		for (int has_time = 0; has_time < 2; has_time++) {
			class.has_time = has_time;
			for (class.priority = 1; class.priority <= TALLY_PRIORITIES;
			     class.priority++)
				if (user->counts[class.state][has_time][class.priority - 1] > 0 &&
				    scan_is_state_wanted(job, class.state, has_time))
					add_stream(search, &class, is_mixed);
		}
}

static void
plan_streams(struct store *store, struct scan_job *job)
{
	struct scan_search *search = job->search;
	bool is_mixed;

	search->kind = SEARCH_STREAMS;
	search->stream_count = 0;
	search->at = 0;
	search->after = job->after;
	IDMAP_EACH(&store->tally.users, slot)
	if (is_user_wanted(&job->filter, slot->object, &is_mixed))
		add_streams_of(search, job, slot->object, is_mixed);
}

static void
plan_ids(struct scan_search *search, const uint64_t *ids, size_t count)
{
	search->kind = SEARCH_IDS;
	search->ids = xcalloc(count + 1, sizeof(*ids));
	memcpy(search->ids, ids, count * sizeof(*ids));
	search->id_count = count;
}

static bool
selects_everything(const struct scan_job *job)
{
	const struct scan_filter *filter = &job->filter;

	return filter->login == NULL && filter->list == NULL && !filter->has_users &&
	       filter->state == SHOWN_ANY &&
	       (job->action == SCAN_LIST || job->action == SCAN_HOLD || job->action == SCAN_REMOVE);
}

bool
scan_needs_counts(const struct scan_job *job)
{
	return job->search == NULL && job->filter.id_count == 0 &&
	       job->filter.state != SHOWN_SENDING && !selects_everything(job);
}

static void
plan(struct store *store, struct scan_job *job)
{
	const struct scan_filter *filter = &job->filter;

	job->search = xcalloc(1, sizeof(*job->search));
	if (filter->id_count > 0)
		plan_ids(job->search, filter->ids, filter->id_count);
	else if (filter->state == SHOWN_SENDING)
		plan_ids(job->search, filter->sending, filter->sending_count);
	else if (selects_everything(job))
		*job->search = (struct scan_search){.kind = SEARCH_WALK, .after = job->after};
	else
		plan_streams(store, job);
	job->search->found = xcalloc(job->limit + 1, sizeof(*job->search->found));
	/* What moved from a stream that was still to come into one that was done is met again. */
	job->search->passes_left = job->action == SCAN_LIST ? 1 : 2;
}

/* ---- what was found ---- */

static bool
is_full(const struct scan_job *job)
{
	return job->search->found_count == job->limit;
}

/* Ids from this on are of no use. */
static uint64_t
bound_of(const struct scan_job *job)
{
	return job->action == SCAN_LIST && is_full(job) ? job->search->found[0] : INT64_MAX;
}

/* A heap with the largest id on top, which the new one replaces. */
static void
replace_largest(struct scan_search *search, uint64_t id)
{
	uint32_t at = 0;

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < search->found_count &&
		    search->found[child + 1] > search->found[child])
			child++;
		if (child >= search->found_count || search->found[child] < id)
			break;
		search->found[at] = search->found[child];
		at = child;
	}
	search->found[at] = id;
}

static void
add_found(struct scan_search *search, uint64_t id)
{
	uint32_t at = search->found_count++;

	for (; at > 0 && search->found[(at - 1) / 2] < id; at = (at - 1) / 2)
		search->found[at] = search->found[(at - 1) / 2];
	search->found[at] = id;
}

static enum store_result
look_if_wanted(struct store *store, const struct scan_job *job, uint64_t id, bool *is_wanted_out)
{
	enum store_result result;
	struct look look;
	sqlite3_stmt *row = store_look(store, id, &look, &result);

	*is_wanted_out = row != NULL && scan_is_wanted(job, id, &look);
	if (row != NULL)
		(void)sqlite3_reset(row);
	return result;
}

/* `needs_look`: that it came up doesn't say yet that it is meant. A change looks at each itself. */
static enum store_result
take(struct store *store, struct scan_job *job, uint64_t id, bool needs_look)
{
	enum store_result result = STORE_OK;
	bool is_wanted = true;

	if (job->action == SCAN_LIST && needs_look)
		result = look_if_wanted(store, job, id, &is_wanted);
	else
		is_wanted = !scan_is_sending(job, id);
	if (is_wanted && is_full(job))
		replace_largest(job->search, id);
	else if (is_wanted)
		add_found(job->search, id);
	return result;
}

/* ---- the search ---- */

static sqlite3_stmt *
open_stream(struct store *store, const struct scan_job *job)
{
	const struct scan_search *search = job->search;
	const struct tally_class *class;
	int64_t after = (int64_t)search->after, bound = (int64_t)bound_of(job);

	if (search->kind == SEARCH_WALK)
		return sql_bind(store, SQL_FIND_ALL, "ii", after, bound);
	class = &search->streams[search->at].class;
	if (class->has_time)
		return sql_bind(store, SQL_FIND_TIMED, "iiii", after, bound,
		    (int64_t) class->user_id, (int64_t) class->state);
	return sql_bind(store, SQL_FIND_UNTIMED, "iiiii", after, bound, (int64_t) class->user_id,
	    (int64_t) class->state, (int64_t) class->priority);
}

/* Whether this slice has done enough. */
static bool
is_slice_over(const struct scan_job *job)
{
	struct scan_search *search = job->search;

	if (job->action != SCAN_LIST && is_full(job))
		return true;
	return ++search->steps % STEPS_A_LOOK == 0 && clock_monotonic_ms() >= search->slice_ends_ms;
}

/* Along one stream; *is_at_end_out: there is nothing more in it that is of use. */
static enum store_result
follow(struct store *store, struct scan_job *job, bool *is_at_end_out)
{
	struct scan_search *search = job->search;
	bool is_mixed = search->kind == SEARCH_STREAMS && search->streams[search->at].is_mixed;
	sqlite3_stmt *row = open_stream(store, job);
	enum store_result result = STORE_OK;
	int code = SQLITE_ROW;

	*is_at_end_out = false;
	while (result == STORE_OK && !*is_at_end_out && !is_slice_over(job)) {
		code = sql_step(row);
		*is_at_end_out = code != SQLITE_ROW;
		if (code != SQLITE_ROW)
			break;
		search->after = (uint64_t)sqlite3_column_int64(row, 0);
		*is_at_end_out = search->after >= bound_of(job);
		if (!*is_at_end_out)
			result = take(store, job, search->after, is_mixed);
	}
	(void)sqlite3_reset(row);
	return result == STORE_OK ? sql_result(store, code) : result;
}

static enum store_result
find_in_streams(struct store *store, struct scan_job *job, bool *has_more_out)
{
	struct scan_search *search = job->search;
	enum store_result result = STORE_OK;
	bool is_at_end;

	while (search->at < search->stream_count) {
		result = follow(store, job, &is_at_end);
		if (result != STORE_OK || !is_at_end)
			return result;
		search->at++;
		search->after = job->after;
	}
	if (--search->passes_left > 0)
		plan_streams(store, job);
	*has_more_out = search->passes_left > 0;
	return STORE_OK;
}

static enum store_result
find_by_id(struct store *store, struct scan_job *job, bool *has_more_out)
{
	struct scan_search *search = job->search;
	enum store_result result = STORE_OK;

	while (result == STORE_OK && search->at < search->id_count && !is_slice_over(job)) {
		uint64_t id = search->ids[search->at++];

		if (id > job->after && id < bound_of(job))
			result = take(store, job, id, true);
	}
	*has_more_out = search->at < search->id_count;
	return result;
}

enum store_result
store_find(struct store *store, struct scan_job *job, bool *has_more_out)
{
	enum store_result result;
	bool is_at_end;

	*has_more_out = true;
	if (job->search == NULL)
		plan(store, job);
	job->search->slice_ends_ms = clock_monotonic_ms() + SLICE_MS;
	switch (job->search->kind) {
	case SEARCH_IDS:
		return find_by_id(store, job, has_more_out);
	case SEARCH_STREAMS:
		return find_in_streams(store, job, has_more_out);
	case SEARCH_WALK:
		result = follow(store, job, &is_at_end);
		*has_more_out = !is_at_end;
		return result;
	}
	return STORE_REFUSED;
}

void
store_end_scan(struct scan_job *job)
{
	if (job->search == NULL)
		return;
	free(job->search->streams);
	free(job->search->ids);
	free(job->search->found);
	free(job->search);
	job->search = NULL;
}
