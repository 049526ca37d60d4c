/* db_query - SQL that spans rows and tables. */
#include "daemon/accounts/db_query.h"

#include "common/buf.h"
#include "daemon/accounts/base64_buf.h"

#include <openssl/rand.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void
take_number(const struct db_row *row, void *ctx)
{
	*(int64_t *)ctx = db_row_number(row, 0);
}

struct secret {
	uint8_t *bytes;
	size_t size;
	bool is_read;
};

static void
take_secret(const struct db_row *row, void *ctx)
{
	struct secret *secret = ctx;
	const char *text = db_row_text(row, 0);

	secret->is_read = text != NULL && base64_take(text, strlen(text), secret->bytes,
					      secret->size) == (ssize_t)secret->size;
}

int
db_site_secret(
    struct db *db, const char *name, uint8_t *bytes_out, size_t size, struct err *err_out)
{
	struct secret secret = {.bytes = bytes_out, .size = size};
	struct buf text;
	int rc;

	if (db_run(db, "SELECT value FROM meta WHERE name = ?", &DB_TEXT(name), 1, take_secret,
		&secret, err_out) < 0)
		return -1;
	if (secret.is_read)
		return 0;
	ensure(RAND_bytes(bytes_out, (int)size) == 1);
	buf_init(&text);
	base64_append(&text, bytes_out, size);
	rc = db_run(db, "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)",
	    (struct db_value[]){DB_TEXT(name), DB_TEXT(text.bytes)}, 2, NULL, NULL, err_out);
	buf_fini(&text);
	return rc < 0 ? -1 : 0;
}

int
db_count_users(struct db *db, const char *list, int64_t *count_out, struct err *err_out)
{
	*count_out = 0;
	return db_run(db, "SELECT count(*) FROM user WHERE list = ?", &DB_TEXT(list), 1,
		   take_number, count_out, err_out) < 0
		   ? -1
		   : 0;
}

int
db_wipe_secrets(struct db *db, struct err *err_out)
{
	return db_run(db, "UPDATE user SET secret = NULL WHERE secret IS NOT NULL RETURNING id",
	    NULL, 0, NULL, NULL, err_out);
}

int
db_set_default_profile(struct db *db, int64_t id, struct err *err_out)
{
	if (db_run(db, "UPDATE profile SET \"default\" = 0 WHERE \"default\" = 1", NULL, 0, NULL,
		NULL, err_out) < 0)
		return -1;
	return db_run(db, "UPDATE profile SET \"default\" = 1 WHERE id = ?", &DB_NUMBER(id), 1,
		   NULL, NULL, err_out) < 0
		   ? -1
		   : 0;
}

struct route_reader {
	void (*on_route)(const struct db_route *route, void *ctx);
	void *ctx;
};

static void
take_route(const struct db_row *row, void *ctx)
{
	struct route_reader *reader = ctx;
	struct db_route route = {
	    .user_id = db_row_number(row, 0),
	    .login = db_row_text(row, 1),
	    .list = db_row_text(row, 2),
	    .profile = db_row_text(row, 3),
	    .list_profile = db_row_text(row, 4),
	    .messages = db_row_text(row, 5),
	    .recipients = db_row_text(row, 6),
	    .over_limit = db_row_text(row, 7),
	};

	reader->on_route(&route, reader->ctx);
}

int
db_each_route(struct db *db, int64_t user_id,
    void (*on_route)(const struct db_route *route, void *ctx), void *ctx, struct err *err_out)
{
	struct route_reader reader = {.on_route = on_route, .ctx = ctx};

	return db_run(db,
	    "SELECT user.id, user.login, user.list, user.profile, list.profile, user.messages,"
	    " user.recipients, user.over_limit FROM user"
	    " JOIN list ON list.name = user.list"
	    " WHERE ?1 = 0 OR user.id = ?1",
	    &DB_NUMBER(user_id), 1, take_route, &reader, err_out);
}

struct list_route_reader {
	void (*on_route)(const struct db_list_route *route, void *ctx);
	void *ctx;
};

static void
take_list_route(const struct db_row *row, void *ctx)
{
	struct list_route_reader *reader = ctx;
	struct db_list_route route = {
	    .list_id = db_row_number(row, 0),
	    .name = db_row_text(row, 1),
	    .profile = db_row_text(row, 2),
	};

	reader->on_route(&route, reader->ctx);
}

int
db_each_list_route(struct db *db, void (*on_route)(const struct db_list_route *route, void *ctx),
    void *ctx, struct err *err_out)
{
	struct list_route_reader reader = {.on_route = on_route, .ctx = ctx};

	return db_run(db, "SELECT 0, '', NULL UNION ALL SELECT id, name, profile FROM list", NULL,
	    0, take_list_route, &reader, err_out);
}

int
db_add_sender(struct db *db, const char *name, struct err *err_out)
{
	return db_run(db,
		   "INSERT INTO sender (name) SELECT ?1 WHERE NOT EXISTS"
		   " (SELECT 1 FROM sender WHERE name = ?1)",
		   &DB_TEXT(name), 1, NULL, NULL, err_out) < 0
		   ? -1
		   : 0;
}

struct sender_reader {
	void (*on_sender)(int64_t id, const char *name, void *ctx);
	void *ctx;
};

static void
take_sender(const struct db_row *row, void *ctx)
{
	struct sender_reader *reader = ctx;

	reader->on_sender(db_row_number(row, 0), db_row_text(row, 1), reader->ctx);
}

int
db_each_sender(struct db *db, void (*on_sender)(int64_t id, const char *name, void *ctx), void *ctx,
    struct err *err_out)
{
	struct sender_reader reader = {.on_sender = on_sender, .ctx = ctx};

	return db_run(db, "SELECT id, name FROM sender", NULL, 0, take_sender, &reader, err_out);
}

int
db_count_alert(struct db *db, const struct db_alert_key *key, int64_t count, int64_t now_ms,
    struct err *err_out)
{
	const struct db_value values[] = {
	    DB_NUMBER(count),
	    DB_NUMBER(now_ms),
	    DB_TEXT(key->kind),
	    DB_TEXT(key->user),
	    DB_TEXT(key->address),
	    DB_NUMBER(key->since_ms),
	};

	return db_run(db,
	    "UPDATE alert SET count = count + ?, last_at = ?"
	    " WHERE kind = ? AND user IS ? AND address IS ? AND at > ? RETURNING id",
	    values, COUNT_OF(values), NULL, NULL, err_out);
}

int
db_count_alert_rows(
    struct db *db, const struct db_alert_key *key, int64_t *count_out, struct err *err_out)
{
	const struct db_value values[] = {
	    DB_TEXT(key->kind), DB_TEXT(key->user), DB_NUMBER(key->since_ms)};

	*count_out = 0;
	return db_run(db, "SELECT count(*) FROM alert WHERE kind = ? AND user IS ? AND at > ?",
		   values, COUNT_OF(values), take_number, count_out, err_out) < 0
		   ? -1
		   : 0;
}

int
db_acknowledge_alerts(struct db *db, int64_t id, struct err *err_out)
{
	return db_run(db,
	    "UPDATE alert SET acknowledged = 1 WHERE acknowledged = 0 AND (?1 = 0 OR id = ?1)"
	    " RETURNING id",
	    &DB_NUMBER(id), 1, NULL, NULL, err_out);
}

int
db_trim_alerts(struct db *db, int64_t keep, struct err *err_out)
{
	return db_run(db, "DELETE FROM alert WHERE id <= (SELECT max(id) FROM alert) - ?",
		   &DB_NUMBER(keep), 1, NULL, NULL, err_out) < 0
		   ? -1
		   : 0;
}
