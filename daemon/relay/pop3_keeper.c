/* pop3_keeper - a record for each profile: its last login, the one under way, and who waits. */
#include "daemon/relay/pop3_keeper.h"

#include "common/list.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/core/loop.h"
#include "daemon/relay/diagnosis.h"
#include "daemon/relay/pop3_settings.h"

#include <stdlib.h>

struct pop3_keeper {
	struct loop *loop;
	struct dns *dns;
	struct list records;
};

struct record {
	struct list link;
	struct pop3_keeper *keeper;
	uint64_t profile_id;
	uint32_t version;        /* the newest that was seen */
	struct profile *profile; /* to log in with when nobody waits; NULL: not then */
	struct list waiting;     /* pop3_waits */
	struct timer *turn;

	/* the last login that worked; valid_until_at_ms 0: there is none */
	int64_t begun_at_ms, valid_until_at_ms;
	unsigned asked, families; /* that it was to be of, and is good for */
	struct timer *renewal;
	int64_t used_at_ms; /* mail flowed, 0: never */

	/* the one under way; session NULL: none */
	struct pop3_session *session;
	struct profile *session_profile;
	int64_t session_at_ms;
	unsigned session_families;
};

struct pop3_wait {
	struct list link;
	struct record *record;
	struct profile *profile;
	struct pop3_wish wish;
	const struct pop3_wait_callbacks *callbacks;
	void *ctx;
};

static int64_t
now_ms(const struct record *record)
{
	return loop_now_ms(record->keeper->loop);
}

/* ---- who is served by what ---- */

static bool
is_served_by_last(const struct record *record, const struct pop3_wait *wait)
{
	return wait->profile->version == record->version &&
	       record->valid_until_at_ms > now_ms(record) &&
	       record->begun_at_ms >= wait->wish.since_ms &&
	       ((record->families & wait->wish.families) != 0 ||
		   record->asked == wait->wish.families);
}

static bool
is_served_by_session(const struct record *record, const struct pop3_wait *wait)
{
	return record->session != NULL &&
	       wait->profile->version == record->session_profile->version &&
	       record->session_at_ms >= wait->wish.since_ms &&
	       record->session_families == wait->wish.families;
}

/* Calls back; it is gone then. */
static void
serve(struct pop3_wait *wait, const struct client_end *end, unsigned families)
{
	const struct pop3_wait_callbacks *callbacks = wait->callbacks;
	void *ctx = wait->ctx;

	pop3_wait_end(wait);
	callbacks->on_end(end, families, ctx);
}

/* One that fits, each time anew: a callback may end others. */
static struct pop3_wait *
find_wait(const struct record *record,
    bool (*fits)(const struct record *record, const struct pop3_wait *wait))
{
	LIST_EACH (&record->waiting, at) {
		struct pop3_wait *wait = LIST_ENTRY(at, struct pop3_wait, link);

		if (fits(record, wait))
			return wait;
	}
	return NULL;
}

/* ---- the login under way ---- */

static void
on_step(const struct channel_step *step, void *ctx)
{
	struct record *record = ctx;

	LIST_EACH_SAFE (&record->waiting, at, next) {
		struct pop3_wait *wait = LIST_ENTRY(at, struct pop3_wait, link);

		if (is_served_by_session(record, wait) && wait->callbacks->on_step != NULL)
			wait->callbacks->on_step(step, wait->ctx);
	}
}

static void
on_line(bool is_sent, const char *line, void *ctx)
{
	struct record *record = ctx;

	LIST_EACH_SAFE (&record->waiting, at, next) {
		struct pop3_wait *wait = LIST_ENTRY(at, struct pop3_wait, link);

		if (is_served_by_session(record, wait) && wait->callbacks->on_line != NULL)
			wait->callbacks->on_line(is_sent, line, wait->ctx);
	}
}

static void
log_login(const struct record *record, const struct client_end *end, const char *server)
{
	struct log_line line;
	char reason[1000];

	if (!log_begin(&line, end == NULL ? LOG_DEBUG : LOG_WARNING, EVENT_POP3_LOGIN, 0))
		return;
	log_text(&line, KEY_PROFILE, record->session_profile->name);
	if (*server != '\0')
		log_text(&line, KEY_UPSTREAM, server);
	if (end != NULL)
		log_text(&line, KEY_REASON,
		    diagnosis_reason(record->session_profile, end, reason, sizeof(reason)));
	log_end(&line);
}

/* A server that takes no other login for a time keeps what the last one opened for as long. */
static void
note_success(struct record *record, int64_t delay_ms)
{
	int64_t valid_ms = record->session_profile->pop3->valid_ms;

	if (record->session_profile->version != record->version)
		return;
	if (valid_ms < delay_ms)
		valid_ms = delay_ms;
	record->begun_at_ms = record->session_at_ms;
	record->valid_until_at_ms = now_ms(record) + valid_ms;
	record->asked = record->session_families;
	record->families = pop3_session_family(record->session);
	/* Not before it is allowed, and early enough for a slow one. */
	timer_set(record->renewal, delay_ms > valid_ms * 3 / 4 ? delay_ms : valid_ms * 3 / 4);
}

/* The next one that nobody waits for is tried as long as the last one holds. */
static void
note_failure(struct record *record, const struct client_end *end)
{
	int64_t left_ms = record->valid_until_at_ms - now_ms(record);

	if (left_ms > 0 && (end->verdict.outcome == ATTEMPT_UNREACHABLE ||
			       end->verdict.outcome == ATTEMPT_AUTH_LATER))
		timer_set(record->renewal, left_ms / 2 + 1);
}

static void
on_end(struct pop3_session *session, const struct client_end *end, void *ctx)
{
	struct record *record = ctx;
	unsigned families = pop3_session_family(session);
	struct list served;

	log_login(record, end, pop3_session_server(session));
	if (end == NULL)
		note_success(record, pop3_session_login_delay_ms(session));
	else
		note_failure(record, end);
	list_init(&served);
	LIST_EACH_SAFE (&record->waiting, at, next) {
		struct pop3_wait *wait = LIST_ENTRY(at, struct pop3_wait, link);

		if (!is_served_by_session(record, wait))
			continue;
		list_remove(&wait->link);
		list_append(&served, &wait->link);
	}
	record->session = NULL;
	profile_release(record->session_profile);
	record->session_profile = NULL;
	/* A callback may end others that wait: the first is looked for each time. */
	while (!list_is_empty(&served))
		serve(LIST_ENTRY(served.next, struct pop3_wait, link), end, families);
	timer_set(record->turn, 0);
}

static const struct pop3_session_callbacks session_callbacks = {
    .on_step = on_step,
    .on_line = on_line,
    .on_end = on_end,
};

static void
begin(struct record *record, struct profile *profile, unsigned families)
{
	record->session_profile = profile_hold(profile);
	record->session_at_ms = now_ms(record);
	record->session_families = families;
	record->session = pop3_session_open(record->keeper->loop, record->keeper->dns, profile,
	    families, &session_callbacks, record);
}

static void
on_turn(void *ctx)
{
	struct record *record = ctx;
	struct pop3_wait *wait;

	while ((wait = find_wait(record, is_served_by_last)) != NULL)
		serve(wait, NULL, record->families);
	if (record->session != NULL || list_is_empty(&record->waiting))
		return;
	wait = LIST_ENTRY(record->waiting.next, struct pop3_wait, link);
	begin(record, wait->profile, wait->wish.families);
}

/* Mail flowed since the last login: the next one is due before that has run out. */
static void
on_renewal(void *ctx)
{
	struct record *record = ctx;

	if (record->session == NULL && record->profile != NULL &&
	    record->used_at_ms >= record->begun_at_ms)
		begin(record, record->profile, record->asked);
}

/* ---- records ---- */

static struct record *
find(struct pop3_keeper *keeper, uint64_t profile_id)
{
	LIST_EACH (&keeper->records, at) {
		struct record *record = LIST_ENTRY(at, struct record, link);

		if (record->profile_id == profile_id)
			return record;
	}
	return NULL;
}

static struct record *
make(struct pop3_keeper *keeper, uint64_t profile_id)
{
	struct record *record = xcalloc(1, sizeof(*record));

	record->keeper = keeper;
	record->profile_id = profile_id;
	list_init(&record->waiting);
	record->turn = timer_new(keeper->loop, on_turn, record);
	record->renewal = timer_new(keeper->loop, on_renewal, record);
	list_append(&keeper->records, &record->link);
	return record;
}

static void
rest(struct record *record)
{
	profile_release(record->profile);
	record->profile = NULL;
}

/* The profile as whoever waits has it may be newer than what is known of it, or older. */
static void
note_profile(struct record *record, struct profile *profile)
{
	if (profile->version < record->version)
		return;
	if (profile->version > record->version)
		record->valid_until_at_ms = 0;
	record->version = profile->version;
	rest(record);
	record->profile = profile_hold(profile);
}

struct pop3_wait *
pop3_wait(struct pop3_keeper *keeper, struct profile *profile, const struct pop3_wish *wish,
    const struct pop3_wait_callbacks *callbacks, void *ctx)
{
	struct record *record = find(keeper, profile->id);
	struct pop3_wait *wait = xcalloc(1, sizeof(*wait));

	if (record == NULL)
		record = make(keeper, profile->id);
	note_profile(record, profile);
	if (!wish->is_test)
		record->used_at_ms = now_ms(record);
	wait->record = record;
	wait->profile = profile_hold(profile);
	wait->wish = *wish;
	if (wait->wish.since_ms > now_ms(record))
		wait->wish.since_ms = now_ms(record);
	wait->callbacks = callbacks;
	wait->ctx = ctx;
	list_append(&record->waiting, &wait->link);
	timer_set(record->turn, 0);
	return wait;
}

void
pop3_wait_end(struct pop3_wait *wait)
{
	list_remove(&wait->link);
	profile_release(wait->profile);
	free(wait);
}

void
pop3_keeper_note_use(struct pop3_keeper *keeper, const struct profile *profile)
{
	struct record *record = find(keeper, profile->id);

	if (record != NULL)
		record->used_at_ms = now_ms(record);
}

void
pop3_keeper_forget(struct pop3_keeper *keeper, uint64_t profile_id, uint32_t version)
{
	struct record *record = find(keeper, profile_id);

	if (record == NULL)
		return;
	if (version > record->version)
		record->version = version;
	record->valid_until_at_ms = 0;
	rest(record);
}

void
pop3_keeper_rest(struct pop3_keeper *keeper)
{
	LIST_EACH (&keeper->records, at)
		rest(LIST_ENTRY(at, struct record, link));
}

/* ---- for the role ---- */

struct pop3_keeper *
pop3_keeper_new(struct loop *loop, struct dns *dns)
{
	struct pop3_keeper *keeper = xcalloc(1, sizeof(*keeper));

	keeper->loop = loop;
	keeper->dns = dns;
	list_init(&keeper->records);
	return keeper;
}

static void
record_free(struct record *record)
{
	if (record->session != NULL) {
		pop3_session_close(record->session);
		profile_release(record->session_profile);
	}
	LIST_EACH_SAFE (&record->waiting, at, next)
		pop3_wait_end(LIST_ENTRY(at, struct pop3_wait, link));
	rest(record);
	list_remove(&record->link);
	timer_free(record->turn);
	timer_free(record->renewal);
	free(record);
}

void
pop3_keeper_free(struct pop3_keeper *keeper)
{
	LIST_EACH_SAFE (&keeper->records, at, next)
		record_free(LIST_ENTRY(at, struct record, link));
	free(keeper);
}
