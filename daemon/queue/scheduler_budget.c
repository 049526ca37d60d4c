/*
 * scheduler_budget - a profile's rates: who may go now, who waits, and what is booked for it
 *
 * The message that is next waits for its time, and those behind it with it: who must wait for a
 * rate keeps the order. Only a higher priority goes ahead. One with more recipients than there are
 * places goes to so many, and to the others in further parts, as with an upstream that takes so many
 * at a time.
 */
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/queue/scheduler_private.h"

#include <stdlib.h>

/* A pause that is shorter is the pace of the rate, and not worth a line. */
#define TOLD_MS 2000
/* A booking that failed, on a full disk say. */
#define BOOK_AGAIN_MS 1000
#define LOOK_EVERY_MS 60000

static bool
is_urgent(const struct entry *entry)
{
	return (PRIORITY_BIT(entry->priority) & PRIORITY_BITS_URGENT) != 0;
}

/* ---- the book ---- */

struct book_request {
	struct book_job job;
	struct scheduler *scheduler;
	struct profile *profile;
};

static void
on_booked(struct job *job)
{
	struct book_request *request = (struct book_request *)(void *)job;
	struct profile *profile = request->profile;

	profile->is_booking = false;
	if (job->outcome == JOB_DONE) {
		budget_note_booked(&profile->budget, request->job.lines, request->job.count);
		scheduler_pump(request->scheduler, profile);
	} else {
		timer_set(profile->timer, BOOK_AGAIN_MS);
	}
	free(request);
}

static void
book(struct scheduler *scheduler, struct profile *profile, const struct entry *entry)
{
	struct book_request *request;

	if (profile->is_booking)
		return;
	profile->is_booking = true;
	request = xcalloc(1, sizeof(*request));
	request->scheduler = scheduler;
	request->profile = profile;
	request->job.job.on_done = on_booked;
	request->job.job.urgency = JOB_WRITES;
	request->job.profile_id = profile->id;
	request->job.count = budget_book(&profile->budget, routes_steady_ms(&scheduler->routes),
	    entry->given_count, request->job.lines);
	storage_post(scheduler->storage, STORE_BOOK, &request->job.job);
}

static void
on_loaded(struct job *job)
{
	struct load_booked_job *load = (struct load_booked_job *)(void *)job;
	struct scheduler *scheduler = job->ctx;

	/* Otherwise the storage is broken, and the role is about to end. */
	scheduler->is_book_read = job->outcome == JOB_DONE;
	for (uint32_t i = 0; i < load->row_count_out && scheduler->is_book_read; i++)
		routes_load_budget(&scheduler->routes, &load->rows_out[i]);
	free(load->rows_out);
	free(load);
	scheduler_pump_all(scheduler);
}

void
scheduler_read_book(struct scheduler *scheduler)
{
	struct load_booked_job *load = xcalloc(1, sizeof(*load));

	load->job = (struct job){.on_done = on_loaded, .ctx = scheduler, .urgency = JOB_WRITES};
	load->now_ms = loop_wall_ms(scheduler->role->loop);
	storage_post(scheduler->storage, STORE_LOAD_BOOKED, &load->job);
}

/* ---- pauses ---- */

struct pause {
	struct count_job job;
	struct scheduler *scheduler;
	struct profile *profile;
	int64_t until_ms; /* wall clock */
};

static void
on_counted(struct job *job)
{
	struct pause *pause = (struct pause *)(void *)job;
	uint64_t waiting = 0;
	struct log_line line;

	for (uint32_t i = 0; i < pause->job.row_count_out; i++)
		if (routes_of_user(&pause->scheduler->routes, pause->job.rows_out[i].user_id) ==
		    pause->profile)
			waiting += pause->job.rows_out[i].count;
	if (log_begin(&line, LOG_INFO, EVENT_RATE_LIMITED, 0)) {
		log_text(&line, KEY_PROFILE, pause->profile->name);
		log_time(&line, KEY_UNTIL, pause->until_ms);
		log_number(&line, KEY_WAITING, (int64_t)waiting);
		log_text(&line, KEY_REASON, "own limit");
		log_end(&line);
	}
	free(pause->job.rows_out);
	free(pause);
}

/* Once for each pause; how many wait only the store knows. */
static void
tell(struct scheduler *scheduler, struct profile *profile, int64_t wait_ms)
{
	struct pause *pause = xcalloc(1, sizeof(*pause));

	pause->scheduler = scheduler;
	pause->profile = profile;
	pause->until_ms = loop_wall_ms(scheduler->role->loop) + wait_ms;
	pause->job.job = (struct job){.on_done = on_counted, .urgency = JOB_READS};
	storage_post(scheduler->storage, STORE_COUNT, &pause->job.job);
}

void
scheduler_wait_for_rate(
    struct scheduler *scheduler, struct profile *profile, const struct entry *entry)
{
	int64_t now_ms = routes_steady_ms(&scheduler->routes);
	int64_t until_ms = budget_goes_at(&profile->budget, now_ms, is_urgent(entry));
	int64_t wait_ms = until_ms - now_ms;

	if (until_ms == 0)
		return;
	if (profile->rate_until_ms == 0 && wait_ms >= TOLD_MS &&
	    !budget_only_spreads(&profile->budget, now_ms, is_urgent(entry)))
		tell(scheduler, profile, wait_ms);
	profile->rate_until_ms = until_ms;
	profile->is_rate_for_all = is_urgent(entry);
	timer_set(profile->timer, wait_ms < LOOK_EVERY_MS ? wait_ms : LOOK_EVERY_MS);
}

/* ---- what goes ---- */

bool
scheduler_has_budget(struct scheduler *scheduler, struct profile *profile, struct entry *entry)
{
	int64_t now_ms = routes_steady_ms(&scheduler->routes);
	uint32_t places;

	/* 0 is for what is not known. */
	entry->given_count = entry->recipient_count > 0 ? entry->recipient_count : 1;
	places = profile_recipients_max(&scheduler->routes, profile);
	if (entry->given_count > places)
		entry->given_count = places;
	if (!budget_has_limits(&profile->budget))
		return true;
	if (!scheduler->is_book_read ||
	    budget_goes_at(&profile->budget, now_ms, is_urgent(entry)) != 0)
		return false;
	places = budget_places(&profile->budget, now_ms, is_urgent(entry));
	if (entry->given_count > places)
		entry->given_count = places;
	if (budget_is_booked(&profile->budget, now_ms, entry->given_count))
		return true;
	book(scheduler, profile, entry);
	return false;
}

bool
scheduler_is_within_rates(struct scheduler *scheduler, struct profile *profile)
{
	return !budget_has_limits(&profile->budget) ||
	       budget_goes_at(&profile->budget, routes_steady_ms(&scheduler->routes), false) == 0;
}

void
scheduler_charge(struct scheduler *scheduler, struct profile *profile, struct entry *entry)
{
	/* An urgent one on the reserve ends no pause of the others. */
	if (!is_urgent(entry) || profile->is_rate_for_all)
		profile->rate_until_ms = 0;
	entry->charged = (struct budget_time){.charged_ms = routes_steady_ms(&scheduler->routes)};
	budget_charge(&profile->budget, entry->charged.charged_ms, entry->given_count);
}

void
scheduler_fit(struct entry *entry)
{
	uint32_t due = mail_due_count(entry->mail);

	if (due >= entry->given_count)
		return;
	scheduler_take_back(entry, (struct usage_count){0, entry->given_count - due});
	entry->given_count = due;
}

void
scheduler_end_charge(struct scheduler *scheduler, struct entry *entry)
{
	if (entry->profile != NULL && entry->charged.charged_ms != 0)
		budget_end(&entry->profile->budget, &entry->charged,
		    routes_steady_ms(&scheduler->routes), entry->given_count);
}

void
scheduler_take_back(struct entry *entry, struct usage_count count)
{
	if (entry->profile != NULL && entry->charged.charged_ms != 0)
		budget_take_back(&entry->profile->budget, &entry->charged, count);
}
