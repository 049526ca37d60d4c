/* store_sqlite_scan - lists and changes messages for operators, in slices. */
#include "daemon/queue/store_sqlite.h"

#include "common/clock.h"
#include "common/xalloc.h"
#include "daemon/queue/store_sqlite_search.h"

#include <stdlib.h>
#include <string.h>

/* ---- what is meant ---- */

static int
compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

bool
scan_has_id(const uint64_t *sorted, size_t count, uint64_t id)
{
	return count > 0 && bsearch(&id, sorted, count, sizeof(id), compare_ids) != NULL;
}

static bool
is_held(uint8_t state)
{
	return state == MAIL_HELD || state == MAIL_LIMITED;
}

/* Whether the action would change anything. */
static bool
is_fit(enum scan_action action, uint8_t state, bool has_time)
{
	switch (action) {
	case SCAN_HOLD:
		return state != MAIL_HELD;
	case SCAN_RELEASE:
		return is_held(state) || state == MAIL_UNCERTAIN;
	case SCAN_RETRY:
		return !is_held(state) && (has_time || state == MAIL_UNCERTAIN);
	case SCAN_LIST:
	case SCAN_SCHEDULE:
	case SCAN_REMOVE:
		break;
	}
	return true;
}

bool
scan_is_state_wanted(const struct scan_job *job, uint8_t state, bool has_time)
{
	enum shown_state wanted = job->filter.state;

	return (wanted == SHOWN_ANY || wanted == mail_shown_as(state, has_time)) &&
	       is_fit(job->action, state, has_time);
}

/* It is in flight, and what is in flight isn't meant. */
bool
scan_is_sending(const struct scan_job *job, uint64_t id)
{
	const struct scan_filter *filter = &job->filter;

	return (filter->skips_sending || filter->state != SHOWN_ANY) &&
	       scan_has_id(filter->sending, filter->sending_count, id);
}

bool
scan_is_wanted(const struct scan_job *job, uint64_t id, const struct look *look)
{
	const struct scan_filter *filter = &job->filter;

	if (filter->login != NULL && strcmp(filter->login, look->login) != 0)
		return false;
	if (filter->list != NULL && strcmp(filter->list, look->list) != 0)
		return false;
	if (filter->has_users &&
	    !scan_has_id(filter->user_ids, filter->user_count, (uint64_t)look->place.user_id))
		return false;
	if (filter->state == SHOWN_SENDING)
		return true;
	return !scan_is_sending(job, id) &&
	       scan_is_state_wanted(job, (uint8_t)look->place.state, look->place.next_at_ms > 0);
}

/* ---- changes ---- */

/* One that was held before its time waits for it again. */
enum store_result
store_release_message(struct store *store, uint64_t id, const struct look *look, int64_t now_ms)
{
	if (look->begins_at_ms > now_ms)
		return store_move(store, &look->place, MAIL_SCHEDULED, look->begins_at_ms);
	return store_move(store, &look->place, MAIL_WAITING, 0);
}

/* Not before that time, from which its lifetime counts. What is held stays held, and waits for it
 * when it is released. */
static enum store_result
schedule(struct store *store, uint64_t id, const struct look *look, int64_t at_ms)
{
	enum store_result result = sql_run(store, SQL_SCHEDULE, "ii", (int64_t)id, at_ms);

	if (result != STORE_OK || is_held((uint8_t)look->place.state))
		return result;
	return store_move(store, &look->place, MAIL_SCHEDULED, at_ms);
}

/* At once, whatever its client wished; its lifetime begins now. */
static enum store_result
retry(struct store *store, uint64_t id, const struct look *look, int64_t now_ms)
{
	enum store_result result = store_move(store, &look->place, MAIL_WAITING, 0);

	if (result != STORE_OK || look->begins_at_ms <= now_ms)
		return result;
	return sql_run(store, SQL_BEGIN_NOW, "ii", (int64_t)id, now_ms);
}

/* An operator wants the message to go, also to those who may have it. */
static enum store_result
decide(struct store *store, uint64_t id, enum store_result result)
{
	if (result == STORE_OK)
		result = sql_run(store, SQL_DECIDE_RECIPIENTS, "iii", (int64_t)id,
		    (int64_t)RECIPIENT_UNCERTAIN, (int64_t)RECIPIENT_UNDECIDED);
	if (result != STORE_OK || sqlite3_changes(store->db) == 0)
		return result;
	return sql_run(store, SQL_COUNT_PENDING, "i", (int64_t)id);
}

static enum store_result
act(struct store *store, const struct scan_job *job, uint64_t id, const struct look *look)
{
	switch (job->action) {
	case SCAN_HOLD:
		return store_move(store, &look->place, MAIL_HELD, 0);
	case SCAN_RELEASE:
		return decide(store, id, store_release_message(store, id, look, job->now_ms));
	case SCAN_RETRY:
		return decide(store, id, retry(store, id, look, job->now_ms));
	case SCAN_SCHEDULE:
		return decide(store, id, schedule(store, id, look, job->at_ms));
	case SCAN_REMOVE:
		return store_remove_message(store, id, look->has_wishes, job->now_ms);
	case SCAN_LIST:
		break;
	}
	return STORE_REFUSED;
}

static enum store_result
change(struct store *store, struct scan_job *job, uint64_t id)
{
	enum store_result result;
	struct look look;
	sqlite3_stmt *row = store_look(store, id, &look, &result);
	bool is_wanted = row != NULL && scan_is_wanted(job, id, &look);

	/* A statement is not stepped while another changes its table; the texts go with it. */
	if (row != NULL)
		(void)sqlite3_reset(row);
	look.login = look.list = NULL;
	if (!is_wanted)
		return result;
	job->ids_out[job->count_out] = id;
	job->files_out[job->count_out] = look.body_file;
	job->count_out++;
	return act(store, job, id, &look);
}

/* What this slice has no time for is the next one's. */
static enum store_result
change_found(struct store *store, struct scan_job *job)
{
	struct scan_search *search = job->search;
	int64_t until_ms = clock_monotonic_ms() + SLICE_MS;
	enum store_result result = STORE_OK;

	job->ids_out = xcalloc(search->found_count + 1, sizeof(*job->ids_out));
	job->files_out = xcalloc(search->found_count + 1, sizeof(*job->files_out));
	while (search->taken < search->found_count && result == STORE_OK) {
		result = change(store, job, search->found[search->taken++]);
		if (clock_monotonic_ms() >= until_ms)
			break;
	}
	job->is_end_out = search->is_over && search->taken == search->found_count;
	return result;
}

/* ---- lists ---- */

static enum store_result
load_found(struct store *store, struct scan_job *job)
{
	struct scan_search *search = job->search;
	uint32_t left = search->found_count - search->taken;
	int64_t until_ms = clock_monotonic_ms() + SLICE_MS;
	enum store_result result = STORE_OK;

	job->mails_out = xcalloc(left + 1, sizeof(*job->mails_out));
	while (search->taken < search->found_count && result == STORE_OK) {
		result = store_load(
		    store, search->found[search->taken++], &job->mails_out[job->count_out++]);
		if (clock_monotonic_ms() >= until_ms)
			break;
	}
	job->is_end_out = search->taken == search->found_count;
	return result;
}

/* More, when what was found before is done with. */
static enum store_result
find_more(struct store *store, struct scan_job *job)
{
	enum store_result result;
	bool has_more;

	if (job->action != SCAN_LIST && job->search != NULL) {
		if (job->search->taken < job->search->found_count)
			return STORE_OK;
		job->search->found_count = job->search->taken = 0;
	}
	if (job->search != NULL && job->search->is_over)
		return STORE_OK;
	result = store_find(store, job, &has_more);
	job->search->is_over = !has_more;
	return result;
}

enum store_result
store_scan(struct store *store, struct scan_job *job)
{
	enum store_result result = find_more(store, job);
	struct scan_search *search = job->search;

	job->is_end_out = false;
	if (result != STORE_OK)
		return result;
	if (job->action != SCAN_LIST)
		return change_found(store, job);
	if (!search->is_over)
		return STORE_OK;
	if (search->taken == 0)
		qsort(search->found, search->found_count, sizeof(*search->found), compare_ids);
	return load_found(store, job);
}
