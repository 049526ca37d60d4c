/* guessing_store - what guessing remembers, to accounts.db a moment later, and back at the start. */
#include "daemon/accounts/guessing_private.h"

#include "common/log.h"
#include "daemon/accounts/db_origin.h"

#define FLUSH_MS 1000
#define RETRY_MS 5000
#define ROWS_A_FLUSH 1000
#define TRIM_AFTER 4096 /* rows that were written */

void
guessing_touch(struct guessing *guessing, struct origin *origin)
{
	list_remove(&origin->dirty);
	list_append(&guessing->dirty, &origin->dirty);
	if (!timer_is_set(guessing->flush))
		timer_set(guessing->flush, FLUSH_MS);
}

static int
write_origin(struct guessing *guessing, struct origin *origin, struct err *err_out)
{
	char address[NETADDR_ORIGIN_TEXT_SIZE];
	const struct db_origin row = {
	    .address = netaddr_format_origin(&origin->address, address),
	    .guesses = origin->guesses,
	    .at_ms = origin->at_ms,
	    .shut_until_ms = origin->shut_until_ms,
	};

	if (origin->guesses > 0 && db_put_origin(guessing->parts.db, &row, err_out) != 0)
		return -1;
	guessing->written++;
	for (unsigned i = 0; i < origin->known_count; i++) {
		const struct known *known = &origin->known[i];
		const struct db_known known_row = {
		    .address = address, .login = known->login, .at_ms = known->at_ms};

		if (known->is_dirty && db_put_known(guessing->parts.db, &known_row, err_out) != 0)
			return -1;
		guessing->written += known->is_dirty;
	}
	return 0;
}

int
guessing_trim(struct guessing *guessing, struct err *err_out)
{
	int64_t now = loop_wall_ms(guessing->parts.loop);

	guessing->written = 0;
	return db_trim_origins(guessing->parts.db,
	    now - guessing->parts.config->limits.guess_window_ms, now - KNOWN_MS, ORIGINS_MAX,
	    err_out);
}

static int
write_some(struct guessing *guessing, unsigned *count_out, struct err *err_out)
{
	*count_out = 0;
	LIST_EACH (&guessing->dirty, at) {
		if (*count_out == ROWS_A_FLUSH)
			break;
		if (write_origin(guessing, LIST_ENTRY(at, struct origin, dirty), err_out) != 0)
			return -1;
		(*count_out)++;
	}
	return guessing->written < TRIM_AFTER ? 0 : guessing_trim(guessing, err_out);
}

static void
clean(struct guessing *guessing, unsigned count)
{
	while (count-- > 0) {
		struct origin *origin =
		    LIST_ENTRY(list_take_first(&guessing->dirty), struct origin, dirty);

		list_init(&origin->dirty);
		for (unsigned i = 0; i < origin->known_count; i++)
			origin->known[i].is_dirty = false;
	}
}

static int
flush_some(struct guessing *guessing, struct err *err_out)
{
	struct db *db = guessing->parts.db;
	unsigned count;

	if (db_begin(db, err_out) != 0 || write_some(guessing, &count, err_out) != 0 ||
	    db_commit(db, err_out) != 0) {
		db_rollback(db);
		return -1;
	}
	clean(guessing, count);
	return 0;
}

int
guessing_flush(struct guessing *guessing, struct err *err_out)
{
	while (!list_is_empty(&guessing->dirty))
		if (flush_some(guessing, err_out) != 0)
			return -1;
	return 0;
}

void
guessing_on_flush(void *ctx)
{
	struct guessing *guessing = ctx;
	struct err err;

	if (list_is_empty(&guessing->dirty))
		return;
	if (flush_some(guessing, &err) != 0) {
		log_problem(LOG_ERROR, "failed logins are not written down yet: %s", err.text);
		timer_set(guessing->flush, RETRY_MS);
	} else if (!list_is_empty(&guessing->dirty)) {
		timer_set(guessing->flush, FLUSH_MS);
	}
}

static void
load_origin(const struct db_origin *row, void *ctx)
{
	struct guessing *guessing = ctx;
	struct netaddr address;
	struct origin *origin;

	if (!netaddr_parse_origin(row->address, &address))
		return;
	origin = origins_get(guessing->origins, &address, row->at_ms);
	origin->guesses = row->guesses;
	origin->at_ms = row->at_ms;
	origin->shut_until_ms = row->shut_until_ms;
}

static void
load_known(const struct db_known *row, void *ctx)
{
	struct guessing *guessing = ctx;
	struct netaddr address;

	if (netaddr_parse_origin(row->address, &address))
		(void)origins_add_known(guessing->origins,
		    origins_get(guessing->origins, &address, row->at_ms), row->login, row->at_ms);
}

int
guessing_load(struct guessing *guessing, struct err *err_out)
{
	/* Homes first: then they aren't among the strangers that may be too many. */
	if (db_each_known(guessing->parts.db, load_known, guessing, err_out) < 0)
		return -1;
	return db_each_origin(guessing->parts.db, load_origin, guessing, err_out) < 0 ? -1 : 0;
}
