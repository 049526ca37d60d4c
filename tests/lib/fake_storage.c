/* fake_storage - time, timers and a table of messages. */
#include "tests/lib/fake_storage.h"

#include "common/xalloc.h"
#include "daemon/core/role.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FAKE_WRITE = 1000, TIMERS_MAX = 64, BOOKED_MAX = 1024 };

struct timer {
	void (*on_timer)(void *ctx);
	void *ctx;
	int64_t due_ms; /* 0: off */
};

static struct {
	uint32_t (*chance)(uint32_t below);
	int64_t latency_most_ms;
	int64_t now_ms, wall_ms;
	uint32_t epoch;
	struct timer *timers[TIMERS_MAX];
	struct list gathering, batch;
	bool is_running, is_closing;
	int64_t done_at_ms;
	struct fake_message messages[FAKE_MESSAGES_MAX];
	struct booked_row booked[BOOKED_MAX];
	size_t booked_count;
	void (*on_woken)(uint64_t id);
	int64_t (*run_batch)(struct list *batch);
	struct profile_row profile;
} fake;

/* ---- the loop ---- */

struct loop *
fake_loop(void)
{
	return (struct loop *)(void *)&fake;
}

int64_t
loop_now_ms(const struct loop *loop)
{
	return fake.now_ms;
}

int64_t
loop_wall_ms(const struct loop *loop)
{
	return fake.wall_ms;
}

struct timer *
timer_new(struct loop *loop, void (*on_timer)(void *ctx), void *ctx)
{
	struct timer *timer = xcalloc(1, sizeof(*timer));

	timer->on_timer = on_timer;
	timer->ctx = ctx;
	for (int i = 0; i < TIMERS_MAX; i++)
		if (fake.timers[i] == NULL) {
			fake.timers[i] = timer;
			return timer;
		}
	abort();
}

void
timer_free(struct timer *timer)
{
	for (int i = 0; i < TIMERS_MAX && timer != NULL; i++)
		if (fake.timers[i] == timer)
			fake.timers[i] = NULL;
	free(timer);
}

void
timer_set(struct timer *timer, int64_t after_ms)
{
	timer->due_ms = fake.now_ms + (after_ms > 0 ? after_ms : 0);
}

void
timer_stop(struct timer *timer)
{
	timer->due_ms = 0;
}

bool
timer_is_set(const struct timer *timer)
{
	return timer->due_ms != 0;
}

void
role_alert(struct role_context *role, const char *kind, const char *user, const char *list,
    const char *address, const char *detail)
{
}

/* ---- jobs ---- */

struct storage *
fake_storage(void)
{
	return (struct storage *)(void *)&fake;
}

uint32_t
storage_epoch(const struct storage *storage)
{
	return fake.epoch;
}

void
storage_post(struct storage *storage, enum store_job_kind kind, struct job *job)
{
	job->kind = (int)kind;
	job->outcome = JOB_FAILED;
	if (fake.is_closing)
		job->on_done(job);
	else
		list_append(&fake.gathering, &job->link);
}

void
fake_post(struct fake_write *write)
{
	write->job.urgency = JOB_WRITES;
	storage_post(fake_storage(), (enum store_job_kind)FAKE_WRITE, &write->job);
}

const struct profile_row *
fake_profile(void)
{
	return &fake.profile;
}

struct fake_message *
fake_message(uint64_t id)
{
	assert(id >= FAKE_FIRST_ID && id < FAKE_FIRST_ID + FAKE_MESSAGES_MAX);
	return &fake.messages[id - FAKE_FIRST_ID];
}

static bool
is_ready(const struct fake_message *message)
{
	return message->is_there && !message->is_held && message->next_at_ms == 0;
}

static struct ready_row
row_of(const struct fake_message *message)
{
	return (struct ready_row){.message_id = message->id,
	    .user_id = message->user_id,
	    .received_at_ms = message->received_at_ms,
	    .size = message->size,
	    .recipient_count = message->recipient_count,
	    .priority = message->priority};
}

static void
run_window(struct window_job *job)
{
	job->rows_out = xcalloc(job->limit + 1, sizeof(*job->rows_out));
	for (int i = 0; i < FAKE_MESSAGES_MAX && job->row_count_out < job->limit; i++) {
		const struct fake_message *message = &fake.messages[i];

		if (is_ready(message) && message->user_id == job->user_id &&
		    message->priority == job->priority && message->id > job->after)
			job->rows_out[job->row_count_out++] = row_of(message);
	}
	job->has_more_out = job->row_count_out == job->limit;
}

static bool
is_behind(uint64_t user_id, unsigned priority, const struct flow_row *after)
{
	return user_id > after->user_id ||
	       (user_id == after->user_id && priority > after->priority);
}

static void
run_flows(struct flows_job *job)
{
	struct flow_row at = job->after;

	job->rows_out = xcalloc(job->limit, sizeof(*job->rows_out));
	while (job->row_count_out < job->limit) {
		const struct fake_message *next = NULL;

		for (int i = 0; i < FAKE_MESSAGES_MAX; i++) {
			const struct fake_message *message = &fake.messages[i];
			struct flow_row its = {message->user_id, 0, message->priority};

			if (is_ready(message) &&
			    is_behind(message->user_id, message->priority, &at) &&
			    (next == NULL || is_behind(next->user_id, next->priority, &its)))
				next = message;
		}
		if (next == NULL)
			return;
		at = (struct flow_row){next->user_id, next->id, next->priority};
		job->rows_out[job->row_count_out++] = at;
	}
}

static void
run_wake(struct wake_job *job)
{
	job->rows_out = xcalloc(job->limit + 1, sizeof(*job->rows_out));
	for (int i = 0; i < FAKE_MESSAGES_MAX; i++) {
		struct fake_message *message = &fake.messages[i];
		int64_t at_ms = message->next_at_ms;

		if (!message->is_there || message->is_held || at_ms == 0)
			continue;
		if (job->row_count_out < job->limit &&
		    (at_ms <= job->now_ms || (job->latest_ms != 0 && at_ms > job->latest_ms))) {
			message->next_at_ms = 0;
			job->rows_out[job->row_count_out++] = row_of(message);
		} else if (job->next_at_ms_out == 0 || at_ms < job->next_at_ms_out) {
			job->next_at_ms_out = at_ms;
		}
	}
}

static void
run_load(struct load_job *job)
{
	const struct fake_message *message = fake_message(job->message_id);

	if (!message->is_there)
		return;
	job->mail_out = mail_new(message->recipient_count, 1);
	job->mail_out->id = message->id;
	job->mail_out->user_id = message->user_id;
	job->mail_out->priority = message->priority;
	job->mail_out->size = message->size;
	job->mail_out->state = message->is_held ? MAIL_HELD : MAIL_WAITING;
	job->mail_out->next_at_ms = message->next_at_ms;
}

static void
run_owners(struct owners_job *job)
{
	job->rows_out = xcalloc(FAKE_MESSAGES_MAX, sizeof(*job->rows_out));
	for (int i = 0; i < FAKE_MESSAGES_MAX; i++) {
		uint64_t user_id = fake.messages[i].user_id;
		uint32_t at = 0;

		if (!fake.messages[i].is_there)
			continue;
		while (at < job->row_count_out && job->rows_out[at].user_id != user_id)
			at++;
		if (at < job->row_count_out)
			continue;
		job->rows_out[job->row_count_out++] = (struct owner_row){
		    .user_id = user_id, .count = 1, .login = xstrdup("u"), .list = xstrdup("l")};
	}
}

/* What no period reaches any more. */
static void
drop_old_booked(const struct booked_row *row)
{
	size_t kept = 0;

	for (size_t i = 0; i < fake.booked_count; i++) {
		const struct booked_row *old = &fake.booked[i];

		if (old->profile_id != row->profile_id ||
		    old->line.period_ms != row->line.period_ms ||
		    old->line.slot > row->line.slot - 2 * SLOTS_MAX)
			fake.booked[kept++] = *old;
	}
	fake.booked_count = kept;
}

static struct booked_row *
find_booked(const struct booked_row *row)
{
	for (size_t i = 0; i < fake.booked_count; i++)
		if (fake.booked[i].profile_id == row->profile_id &&
		    fake.booked[i].line.period_ms == row->line.period_ms &&
		    fake.booked[i].line.slot == row->line.slot)
			return &fake.booked[i];
	if (fake.booked_count == BOOKED_MAX)
		drop_old_booked(row);
	assert(fake.booked_count < BOOKED_MAX);
	fake.booked[fake.booked_count] = *row;
	fake.booked[fake.booked_count].line.count = (struct usage_count){0};
	return &fake.booked[fake.booked_count++];
}

static void
run_book(const struct book_job *job)
{
	for (size_t i = 0; i < job->count; i++)
		find_booked(&(struct booked_row){job->profile_id, job->lines[i]})->line =
		    job->lines[i];
}

/* What lies ahead is booked for now. */
static void
gather_booked(int64_t now_ms)
{
	size_t count = fake.booked_count;

	for (size_t i = 0; i < count; i++) {
		struct booked_row row = fake.booked[i], *to;
		int64_t newest = now_ms / budget_slot_ms(row.line.period_ms);

		if (row.line.slot <= newest)
			continue;
		fake.booked[i].line.count = (struct usage_count){0};
		row.line.slot = newest;
		to = find_booked(&row);
		to->line.count.messages += row.line.count.messages;
		to->line.count.recipients += row.line.count.recipients;
	}
}

static void
run_load_booked(struct load_booked_job *job)
{
	gather_booked(job->now_ms);
	job->rows_out = xcalloc(fake.booked_count + 1, sizeof(*job->rows_out));
	memcpy(job->rows_out, fake.booked, fake.booked_count * sizeof(*job->rows_out));
	job->row_count_out = (uint32_t)fake.booked_count;
}

static void
run(struct job *job)
{
	void *at = job;

	job->outcome = JOB_DONE;
	if (job->kind == FAKE_WRITE)
		((struct fake_write *)at)->run(at);
	else if (job->kind == STORE_WINDOW)
		run_window(at);
	else if (job->kind == STORE_FLOWS)
		run_flows(at);
	else if (job->kind == STORE_WAKE)
		run_wake(at);
	else if (job->kind == STORE_LOAD)
		run_load(at);
	else if (job->kind == STORE_OWNERS)
		run_owners(at);
	else if (job->kind == STORE_BOOK)
		run_book(at);
	else if (job->kind == STORE_LOAD_BOOKED)
		run_load_booked(at);
	else if (job->kind == STORE_PROFILE)
		fake.profile = ((struct profile_job *)at)->row;
	/* STORE_COUNT: nobody counts. */
}

static void
run_in_memory(void)
{
	LIST_EACH (&fake.batch, at)
		if (LIST_ENTRY(at, struct job, link)->urgency != JOB_READS)
			run(LIST_ENTRY(at, struct job, link));
	LIST_EACH (&fake.batch, at)
		if (LIST_ENTRY(at, struct job, link)->urgency == JOB_READS)
			run(LIST_ENTRY(at, struct job, link));
}

static void
run_batch(void)
{
	struct list *first;

	while ((first = list_take_first(&fake.gathering)) != NULL)
		list_append(&fake.batch, first);
	fake.is_running = true;
	fake.done_at_ms = fake.now_ms + fake.chance((uint32_t)fake.latency_most_ms + 1);
	if (fake.run_batch != NULL)
		fake.done_at_ms += fake.run_batch(&fake.batch);
	else
		run_in_memory();
}

static void
tell_woken(const struct wake_job *job)
{
	for (uint32_t i = 0; i < job->row_count_out && fake.on_woken != NULL; i++)
		fake.on_woken(job->rows_out[i].message_id);
}

static void
end_batch(void)
{
	struct list *first;

	fake.is_running = false;
	while ((first = list_take_first(&fake.batch)) != NULL) {
		struct job *job = LIST_ENTRY(first, struct job, link);

		if (job->kind == STORE_WAKE)
			tell_woken((struct wake_job *)(void *)job);
		job->on_done(job);
	}
}

bool
fake_is_quiet(void)
{
	return !fake.is_running && list_is_empty(&fake.gathering);
}

void
fake_close(void)
{
	fake.is_closing = true;
	if (fake.is_running)
		end_batch();
	run_batch();
	end_batch();
}

void
fake_reopen(void)
{
	fake.is_closing = false;
	fake.epoch++;
}

void
fake_run_batches(int64_t (*run_all)(struct list *batch))
{
	fake.run_batch = run_all;
}

void
fake_on_woken(void (*on_woken)(uint64_t id))
{
	fake.on_woken = on_woken;
}

/* ---- time ---- */

static struct timer *
first_timer(void)
{
	struct timer *first = NULL;

	for (int i = 0; i < TIMERS_MAX; i++)
		if (fake.timers[i] != NULL && fake.timers[i]->due_ms != 0 &&
		    (first == NULL || fake.timers[i]->due_ms < first->due_ms))
			first = fake.timers[i];
	return first;
}

static void
move_to(int64_t now_ms)
{
	if (now_ms <= fake.now_ms)
		return;
	fake.wall_ms += now_ms - fake.now_ms;
	fake.now_ms = now_ms;
}

void
fake_pass(int64_t ms)
{
	int64_t end_ms = fake.now_ms + ms;

	for (;;) {
		struct timer *timer = first_timer();
		int64_t timer_ms = timer == NULL ? INT64_MAX : timer->due_ms;

		if (!fake.is_running && !list_is_empty(&fake.gathering)) {
			run_batch();
		} else if (fake.is_running && fake.done_at_ms <= end_ms &&
			   fake.done_at_ms <= timer_ms) {
			move_to(fake.done_at_ms);
			end_batch();
		} else if (timer_ms <= end_ms) {
			move_to(timer_ms);
			timer->due_ms = 0;
			timer->on_timer(timer->ctx);
		} else {
			break;
		}
	}
	move_to(end_ms);
}

void
fake_set_wall(int64_t ms_more)
{
	fake.wall_ms += ms_more;
}

void
fake_init(uint32_t (*chance)(uint32_t below), int64_t wall_ms, int64_t latency_most_ms)
{
	memset(&fake, 0, sizeof(fake));
	fake.chance = chance;
	fake.latency_most_ms = latency_most_ms;
	fake.now_ms = 1000000;
	fake.wall_ms = wall_ms;
	fake.epoch = 1;
	list_init(&fake.gathering);
	list_init(&fake.batch);
}

void
fake_fini(void)
{
	assert(fake_is_quiet() && first_timer() == NULL);
}
