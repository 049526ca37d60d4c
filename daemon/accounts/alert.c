/* alert - gathers alerts, counts them into their rows and logs the first of each interval. */
#include "daemon/accounts/alert.h"

#include "common/list.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/accounts/db_query.h"
#include "daemon/accounts/db_rows.h"
#include "daemon/core/loop.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FLUSH_MS 250
#define RETRY_MS 5000
#define WAITING_MAX 256
#define ADDRESSES_MAX 100 /* rows for one kind and user in an interval */
#define ROWS_MAX 10000

#define FIELD(field, kind)                                                                         \
	{                                                                                          \
		.name = #field, .type = (kind), .flags = FIELD_READ_ONLY,                          \
		.offset = offsetof(struct alert, field)                                            \
	}

static const struct field fields[] = {
    FIELD(kind, FIELD_TEXT),
    FIELD(at, FIELD_TIME),
    FIELD(last_at, FIELD_TIME),
    FIELD(user, FIELD_TEXT),
    FIELD(list, FIELD_TEXT),
    FIELD(address, FIELD_TEXT),
    FIELD(detail, FIELD_TEXT),
    FIELD(count, FIELD_NUMBER),
    FIELD(acknowledged, FIELD_BOOL),
};

const struct table alert_table = {
    .name = "alert",
    .fields = fields,
    .field_count = sizeof(fields) / sizeof(fields[0]),
    .row_size = sizeof(struct alert),
};

struct waiting {
	struct list link;
	struct alert alert;
	bool is_first; /* of its interval */
};

struct alerts {
	struct loop *loop;
	struct db *db;
	struct timer *timer;
	int64_t interval_ms;
	struct list waiting;
	unsigned waiting_count;
};

static void
free_waiting(struct alerts *alerts, struct waiting *waiting)
{
	list_remove(&waiting->link);
	alerts->waiting_count--;
	table_row_fini(&alert_table, &waiting->alert);
	free(waiting);
}

static void
log_alert(const struct alert *alert)
{
	struct log_line line;

	if (!log_begin(&line, LOG_WARNING, EVENT_ALERT, 0))
		return;
	log_text(&line, KEY_KIND, alert->kind);
	if (alert->user != NULL)
		log_text(&line, KEY_USER, alert->user);
	if (alert->list != NULL)
		log_text(&line, KEY_LIST, alert->list);
	if (alert->address != NULL)
		log_text(&line, KEY_ADDRESS, alert->address);
	if (alert->detail != NULL)
		log_text(&line, KEY_REASON, alert->detail);
	log_end(&line);
}

/* Returns 1 if it was counted on a row that is there, 0 if it became a new one. */
static int
write_one(struct alerts *alerts, struct alert *alert, struct err *err_out)
{
	struct db_alert_key key = {
	    .kind = alert->kind,
	    .user = alert->user,
	    .address = alert->address,
	    .since_ms = alert->last_at - alerts->interval_ms,
	};
	int64_t rows;
	int counted = db_count_alert(alerts->db, &key, alert->count, alert->last_at, err_out);

	if (counted != 0)
		return counted;
	if (db_count_alert_rows(alerts->db, &key, &rows, err_out) != 0)
		return -1;
	if (rows >= ADDRESSES_MAX) {
		key.address = NULL;
		free(alert->address);
		alert->address = NULL;
		counted = db_count_alert(alerts->db, &key, alert->count, alert->last_at, err_out);
		if (counted != 0)
			return counted;
	}
	return db_insert(alerts->db, &alert_table, alert, err_out);
}

static int
write_all(struct alerts *alerts, struct err *err_out)
{
	LIST_EACH (&alerts->waiting, at) {
		struct waiting *waiting = LIST_ENTRY(at, struct waiting, link);
		int counted = write_one(alerts, &waiting->alert, err_out);

		if (counted < 0)
			return -1;
		waiting->is_first = counted == 0;
	}
	return db_trim_alerts(alerts->db, ROWS_MAX, err_out);
}

int
alerts_flush(struct alerts *alerts, struct err *err_out)
{
	if (list_is_empty(&alerts->waiting))
		return 0;
	if (db_begin(alerts->db, err_out) != 0 || write_all(alerts, err_out) != 0 ||
	    db_commit(alerts->db, err_out) != 0) {
		db_rollback(alerts->db);
		timer_set(alerts->timer, RETRY_MS);
		return -1;
	}
	LIST_EACH_SAFE (&alerts->waiting, at, next) {
		struct waiting *waiting = LIST_ENTRY(at, struct waiting, link);

		/* A repeated warning is counted rather than repeated. */
		if (waiting->is_first)
			log_alert(&waiting->alert);
		free_waiting(alerts, waiting);
	}
	timer_stop(alerts->timer);
	return 0;
}

static void
on_flush(void *ctx)
{
	struct err err;

	if (alerts_flush(ctx, &err) != 0)
		log_problem(LOG_ERROR, "alerts are not written down yet: %s", err.text);
}

struct alerts *
alerts_new(struct loop *loop, struct db *db, int64_t interval_ms)
{
	struct alerts *alerts = xcalloc(1, sizeof(*alerts));

	alerts->loop = loop;
	alerts->db = db;
	alerts->interval_ms = interval_ms;
	alerts->timer = timer_new(loop, on_flush, alerts);
	list_init(&alerts->waiting);
	return alerts;
}

void
alerts_free(struct alerts *alerts)
{
	if (alerts == NULL)
		return;
	on_flush(alerts);
	LIST_EACH_SAFE (&alerts->waiting, at, next)
		free_waiting(alerts, LIST_ENTRY(at, struct waiting, link));
	timer_free(alerts->timer);
	free(alerts);
}

void
alerts_set_interval(struct alerts *alerts, int64_t interval_ms)
{
	alerts->interval_ms = interval_ms;
}

static char *
text_or_null(const char *text)
{
	return *text == '\0' ? NULL : xstrdup(text);
}

static bool
is_same(const char *a, const char *b)
{
	return strcasecmp(a == NULL ? "" : a, b) == 0;
}

static struct waiting *
find_waiting(struct alerts *alerts, const struct msg_alert *message, const char *address)
{
	LIST_EACH (&alerts->waiting, at) {
		struct waiting *waiting = LIST_ENTRY(at, struct waiting, link);

		if (is_same(waiting->alert.kind, message->kind) &&
		    is_same(waiting->alert.user, message->user) &&
		    is_same(waiting->alert.address, address))
			return waiting;
	}
	return NULL;
}

void
alerts_raise(struct alerts *alerts, const struct msg_alert *message)
{
	int64_t now_ms = loop_wall_ms(alerts->loop);
	/* When too many wait, they lose their address before they lose their count. */
	const char *address = alerts->waiting_count < WAITING_MAX ? message->address : "";
	struct waiting *waiting = find_waiting(alerts, message, address);

	if (waiting != NULL) {
		waiting->alert.count++;
		waiting->alert.last_at = now_ms;
		return;
	}
	if (alerts->waiting_count >= WAITING_MAX * 2)
		return;
	waiting = xcalloc(1, sizeof(*waiting));
	waiting->alert = (struct alert){
	    .kind = xstrdup(message->kind),
	    .at = now_ms,
	    .last_at = now_ms,
	    .user = text_or_null(message->user),
	    .list = text_or_null(message->list),
	    .address = text_or_null(address),
	    .detail = text_or_null(message->detail),
	    .count = 1,
	};
	list_append(&alerts->waiting, &waiting->link);
	alerts->waiting_count++;
	if (!timer_is_set(alerts->timer))
		timer_set(alerts->timer, FLUSH_MS);
}
