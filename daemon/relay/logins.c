/* logins - a record for each profile: what was refused when, who is under way, who waits. */
#include "daemon/relay/logins.h"

#include "common/clock.h"
#include "common/list.h"
#include "common/xalloc.h"
#include "daemon/core/loop.h"
#include "daemon/relay/auth_method.h"
#include "daemon/relay/profile.h"

#include <stdio.h>
#include <stdlib.h>

struct logins {
	struct loop *loop;
	void (*on_worked)(uint64_t profile_id, uint32_t version, const char *method, void *ctx);
	void *ctx;
	struct list records;
};

struct record {
	struct list link;
	struct logins *logins;
	uint64_t profile_id;
	uint32_t version;
	unsigned worked;                           /* bit of the method */
	bool is_proven;                            /* a login of this version has worked */
	int64_t refused_at_ms[LOGINS_REFUSED_MAX]; /* loop_now_ms(), the newest first; 0: none */
	char words[200];                           /* of the newest refusal */
	unsigned under_way;
	struct list waiting; /* logins */
	struct timer *turn;
};

struct login {
	struct list link;
	struct record *record;
	bool is_waiting;
	unsigned method; /* bit */
	void (*on_turn)(const char *problem, void *ctx);
	void *ctx;
};

/* ---- the rule ---- */

static unsigned
refused_count(const struct record *record)
{
	int64_t now_ms = loop_now_ms(record->logins->loop);
	unsigned count = 0;

	for (unsigned i = 0; i < LOGINS_REFUSED_MAX; i++)
		count += record->refused_at_ms[i] != 0 &&
			 now_ms - record->refused_at_ms[i] < LOGINS_PERIOD_MS;
	return count;
}

static bool
may_begin(const struct record *record)
{
	unsigned allowed = record->is_proven ? LOGINS_REFUSED_MAX - refused_count(record) : 1;

	return record->under_way < allowed;
}

static void
say_problem(const struct record *record, char *text, size_t size)
{
	struct loop *loop = record->logins->loop;
	int64_t wait_ms =
	    record->refused_at_ms[LOGINS_REFUSED_MAX - 1] + LOGINS_PERIOD_MS - loop_now_ms(loop);
	char when[CLOCK_RFC3339_SIZE];

	(void)snprintf(text, size,
	    "the upstream refused %d logins within ten minutes (%s): to keep the account from "
	    "being locked the next one is at %s, or after a change of the profile",
	    LOGINS_REFUSED_MAX, record->words,
	    clock_rfc3339(loop_wall_ms(loop) + wait_ms, when, sizeof(when)));
}

/* ---- turns ---- */

static struct login *
take_first(struct record *record)
{
	struct login *login = LIST_ENTRY(record->waiting.next, struct login, link);

	list_remove(&login->link);
	login->is_waiting = false;
	record->under_way++;
	return login;
}

static void
on_turn(void *ctx)
{
	struct record *record = ctx;
	char problem[500];

	while (!list_is_empty(&record->waiting)) {
		bool is_used_up = refused_count(record) == LOGINS_REFUSED_MAX;
		struct login *login;

		if (!is_used_up && !may_begin(record))
			return; /* an end comes here again */
		if (is_used_up)
			say_problem(record, problem, sizeof(problem));
		login = take_first(record);
		login->on_turn(is_used_up ? problem : NULL, login->ctx);
	}
}

static struct record *
find(struct logins *logins, uint64_t profile_id)
{
	LIST_EACH (&logins->records, at) {
		struct record *record = LIST_ENTRY(at, struct record, link);

		if (record->profile_id == profile_id)
			return record;
	}
	return NULL;
}

static struct record *
make(struct logins *logins, uint64_t profile_id)
{
	struct record *record = xcalloc(1, sizeof(*record));

	record->logins = logins;
	record->profile_id = profile_id;
	list_init(&record->waiting);
	record->turn = timer_new(logins->loop, on_turn, record);
	list_append(&logins->records, &record->link);
	return record;
}

/* An operator changed something: what was refused before says nothing any more. */
static void
begin_anew(struct record *record, const struct profile *profile)
{
	record->version = profile->version;
	record->is_proven = false;
	record->worked = profile->auth_worked;
	for (unsigned i = 0; i < LOGINS_REFUSED_MAX; i++)
		record->refused_at_ms[i] = 0;
}

struct login *
login_wait(struct logins *logins, const struct profile *profile, bool is_next,
    void (*on_its_turn)(const char *problem, void *ctx), void *ctx)
{
	struct record *record = find(logins, profile->id);
	struct login *login = xcalloc(1, sizeof(*login));

	if (record == NULL)
		record = make(logins, profile->id);
	if (profile->version > record->version)
		begin_anew(record, profile);
	login->record = record;
	login->is_waiting = true;
	login->on_turn = on_its_turn;
	login->ctx = ctx;
	list_insert_after(is_next ? &record->waiting : record->waiting.prev, &login->link);
	timer_set(record->turn, 0);
	return login;
}

/* ---- the end ---- */

static void
note_refusal(struct record *record, const char *words)
{
	for (unsigned i = LOGINS_REFUSED_MAX - 1; i > 0; i--)
		record->refused_at_ms[i] = record->refused_at_ms[i - 1];
	record->refused_at_ms[0] = loop_now_ms(record->logins->loop);
	(void)snprintf(record->words, sizeof(record->words), "%s", words);
}

static const char *
option_of(unsigned bit)
{
	for (unsigned i = 0; i < AUTH_METHODS; i++)
		if (AUTH_BIT(i) == bit)
			return auth_traits(i)->option;
	return "";
}

static void
note_success(struct record *record, unsigned method)
{
	struct logins *logins = record->logins;

	record->is_proven = true;
	if (record->worked == method || method == 0)
		return;
	record->worked = method;
	logins->on_worked(record->profile_id, record->version, option_of(method), logins->ctx);
}

void
login_note_method(struct login *login, unsigned method_bit)
{
	login->method = method_bit;
}

void
login_end(struct login *login, enum login_result result, const char *words)
{
	struct record *record = login->record;

	if (login->is_waiting)
		list_remove(&login->link);
	else
		record->under_way--;
	if (result == LOGIN_GOOD)
		note_success(record, login->method);
	else if (result == LOGIN_REFUSED)
		note_refusal(record, words);
	free(login);
	timer_set(record->turn, 0);
}

unsigned
login_worked(const struct login *login)
{
	return login->record->worked;
}

/* ---- for the role ---- */

struct logins *
logins_new(struct loop *loop,
    void (*on_worked)(uint64_t profile_id, uint32_t version, const char *method, void *ctx),
    void *ctx)
{
	struct logins *logins = xcalloc(1, sizeof(*logins));

	logins->loop = loop;
	logins->on_worked = on_worked;
	logins->ctx = ctx;
	list_init(&logins->records);
	return logins;
}

static void
record_free(struct record *record)
{
	list_remove(&record->link);
	timer_free(record->turn);
	free(record);
}

void
logins_forget(struct logins *logins, uint64_t profile_id)
{
	struct record *record = find(logins, profile_id);

	if (record != NULL && record->under_way == 0 && list_is_empty(&record->waiting))
		record_free(record);
}

void
logins_free(struct logins *logins)
{
	LIST_EACH_SAFE (&logins->records, at, next)
		record_free(LIST_ENTRY(at, struct record, link));
	free(logins);
}
