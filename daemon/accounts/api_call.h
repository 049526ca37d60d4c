/*
 * api_call - one call while it's being worked on; what the API's handlers share
 *
 * Owns     a call until its answer
 * Context  loop
 */
#ifndef POSTERN_ACCOUNTS_API_CALL_H
#define POSTERN_ACCOUNTS_API_CALL_H

#include "common/list.h"
#include "daemon/accounts/parts.h"
#include "daemon/accounts/table.h"

#include <jansson.h>

struct call {
	struct list link;
	struct parts *parts;
	struct link *control; /* NULL once it's gone */
	uint32_t request_id;
	char *name;    /* from the path, decoded; NULL: a collection */
	json_t *query; /* an object of texts */
	json_t *body;  /* an object, empty if there was none */
	json_t *notes; /* an array of texts */
	unsigned status;
	/* While another role is asked for what decides: no answer comes once the call is freed. */
	struct link *asked;
	uint32_t asked_id;
};

enum handled {
	CALL_DONE,    /* *result_out is the answer */
	CALL_REFUSED, /* *refusal_out is */
	CALL_WAITING  /* call_answer() or call_refuse() will be called later */
};

typedef enum handled handler(struct call *call, json_t **result_out, struct refusal *refusal_out);

handler api_list_index, api_list_add, api_list_show, api_list_set, api_list_remove;
handler api_user_index, api_user_add, api_user_show, api_user_set, api_user_remove, api_user_reset;
handler api_profile_index, api_profile_add, api_profile_show, api_profile_set, api_profile_remove;
handler api_profile_default, api_profile_pause, api_profile_resume;
handler api_explain;
handler api_provider_index, api_provider_show;
handler api_backup_add;
handler api_client_index, api_client_forgive;
handler api_alert_index, api_alert_ack, api_alert_ack_all;

/* Something that whoever made the call may not expect: the answer has it among its `notes`. */
void call_note(struct call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Take the call; `result` as well. */
void call_answer(struct call *call, json_t *result);
void call_refuse(struct call *call, const struct refusal *refusal);

/* Reads the row that the path names; refused if there's none. */
int call_find(
    struct call *call, const struct table *table, void *row_out, struct refusal *refusal_out);
/* A whole number of the query; `otherwise` if it has none. */
int call_query_number(struct call *call, const char *name, int64_t otherwise, int64_t *number_out,
    struct refusal *refusal_out);
/* All rows that the query asks for (limit, after and, if not NULL, a row of `filter`, which must
 * exist and gives its name to key and column), as an array. */
enum handled call_index(struct call *call, const struct table *table, const struct table *filter,
    json_t *(*to_json)(struct parts *parts, const void *row), json_t **result_out,
    struct refusal *refusal_out);
/* Refused if there is a row of this name already. */
int call_check_new(
    struct call *call, const struct table *table, const char *name, struct refusal *refusal_out);
/* Refused, naming some of them, if rows of `table` have this value in this field. */
int call_check_unused(struct call *call, const struct table *table, const char *field,
    const char *value, struct refusal *refusal_out);
/* Refused if the body has fields (but those of `allowed`, which may be NULL). */
int call_check_no_fields(struct call *call, const char *allowed, struct refusal *refusal_out);

/* One change of one row as a transaction of its own. */
int call_insert(
    struct call *call, const struct table *table, void *row, struct refusal *refusal_out);
int call_update(
    struct call *call, const struct table *table, const void *row, struct refusal *refusal_out);
int call_remove(
    struct call *call, const struct table *table, int64_t id, struct refusal *refusal_out);

#endif
