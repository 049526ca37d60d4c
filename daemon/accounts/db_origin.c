/* db_origin - SQL of the tables origin and known. */
#include "daemon/accounts/db_origin.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static int
run(struct db *db, const char *sql, const struct db_value *values, size_t count,
    struct err *err_out)
{
	return db_run(db, sql, values, count, NULL, NULL, err_out) < 0 ? -1 : 0;
}

int
db_put_origin(struct db *db, const struct db_origin *origin, struct err *err_out)
{
	const struct db_value values[] = {DB_TEXT(origin->address), DB_NUMBER(origin->guesses),
	    DB_NUMBER(origin->at_ms), DB_NUMBER(origin->shut_until_ms)};

	return run(db,
	    "INSERT OR REPLACE INTO origin (address, guesses, at, shut_until) VALUES (?, ?, ?, ?)",
	    values, COUNT_OF(values), err_out);
}

int
db_put_known(struct db *db, const struct db_known *known, struct err *err_out)
{
	const struct db_value values[] = {
	    DB_TEXT(known->address), DB_TEXT(known->login), DB_NUMBER(known->at_ms)};

	return run(db, "INSERT OR REPLACE INTO known (address, login, at) VALUES (?, ?, ?)", values,
	    COUNT_OF(values), err_out);
}

int
db_remove_origin(struct db *db, const char *address, struct err *err_out)
{
	return run(db, "DELETE FROM origin WHERE address = ?", &DB_TEXT(address), 1, err_out);
}

struct reader {
	void (*on_origin)(const struct db_origin *origin, void *ctx);
	void (*on_known)(const struct db_known *known, void *ctx);
	void *ctx;
};

static void
take_origin(const struct db_row *row, void *ctx)
{
	const struct reader *reader = ctx;
	struct db_origin origin = {
	    .address = db_row_text(row, 0),
	    .guesses = db_row_number(row, 1),
	    .at_ms = db_row_number(row, 2),
	    .shut_until_ms = db_row_number(row, 3),
	};

	if (origin.address != NULL)
		reader->on_origin(&origin, reader->ctx);
}

int
db_each_origin(struct db *db, void (*on_origin)(const struct db_origin *origin, void *ctx),
    void *ctx, struct err *err_out)
{
	struct reader reader = {.on_origin = on_origin, .ctx = ctx};

	return db_run(db, "SELECT address, guesses, at, shut_until FROM origin ORDER BY at", NULL,
	    0, take_origin, &reader, err_out);
}

static void
take_known(const struct db_row *row, void *ctx)
{
	const struct reader *reader = ctx;
	struct db_known known = {
	    .address = db_row_text(row, 0),
	    .login = db_row_text(row, 1),
	    .at_ms = db_row_number(row, 2),
	};

	if (known.address != NULL && known.login != NULL)
		reader->on_known(&known, reader->ctx);
}

int
db_each_known(struct db *db, void (*on_known)(const struct db_known *known, void *ctx), void *ctx,
    struct err *err_out)
{
	struct reader reader = {.on_known = on_known, .ctx = ctx};

	return db_run(db, "SELECT address, login, at FROM known ORDER BY at", NULL, 0, take_known,
	    &reader, err_out);
}

int
db_trim_origins(struct db *db, int64_t origins_before_ms, int64_t known_before_ms, int64_t keep,
    struct err *err_out)
{
	const struct db_value keep_value = DB_NUMBER(keep);

	if (run(db, "DELETE FROM origin WHERE at < ?1 AND shut_until < ?1",
		&DB_NUMBER(origins_before_ms), 1, err_out) != 0 ||
	    run(db, "DELETE FROM known WHERE at < ?", &DB_NUMBER(known_before_ms), 1, err_out) != 0)
		return -1;
	if (run(db,
		"DELETE FROM origin WHERE address IN (SELECT address FROM origin"
		" ORDER BY max(at, shut_until) LIMIT"
		" max(0, (SELECT count(*) FROM origin) - ?))",
		&keep_value, 1, err_out) != 0)
		return -1;
	return run(db,
	    "DELETE FROM known WHERE (address, login) IN (SELECT address, login FROM known"
	    " ORDER BY at LIMIT max(0, (SELECT count(*) FROM known) - ?))",
	    &keep_value, 1, err_out);
}
