/*
 * invocation - one run of one command: its arguments, the daemon, and where the result goes
 *
 * Owns     nothing for itself; main.c fills it
 * Fails    every function here returns the exit status of posternctl, and has printed one line on
 *          stderr unless it is STATUS_DONE
 *
 * What most nouns do alike (ls, show, add, set, rm) stands here once.
 */
#ifndef POSTERN_CTL_INVOCATION_H
#define POSTERN_CTL_INVOCATION_H

#include "ctl/args.h"
#include "ctl/client.h"
#include "ctl/table.h"

enum exit_status { STATUS_DONE, STATUS_REFUSED, STATUS_USAGE, STATUS_UNREACHABLE };

struct invocation {
	const struct command *command;
	struct arguments arguments;
	struct client *client;
	bool is_json;
};

/* Prints `posternctl: …` on stderr and returns `status`. */
int invocation_fail(enum exit_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* `prefix` + the first operand, encoded + `suffix`. The caller frees. */
char *invocation_path(const struct invocation *invocation, const char *prefix, const char *suffix);

/* Calls the daemon. `*result_out` (may be NULL) is the answer's JSON, an empty object if it has
 * none; the caller decrefs it when STATUS_DONE is returned. */
int invocation_call(struct invocation *invocation, const char *method, const char *path,
    const json_t *body, json_t **result_out);
/* The same for an answer that is not JSON; the caller calls answer_fini(). */
int invocation_fetch(struct invocation *invocation, const char *path, struct answer *answer_out);

/* With -j: the value. Otherwise a table, or a record. */
int invocation_print_rows(
    const struct invocation *invocation, const json_t *rows, const struct column *columns);
int invocation_print_record(const struct invocation *invocation, json_t *record);
void invocation_print_json(const json_t *value);

/* A line for each text of the array. */
void invocation_print_notes(const json_t *notes);

/* Whether the last of these messages has has_more: there are more than the answer had room for, or than it
 * was asked for. It doesn't say so any more then: the next answer is to have them. */
bool invocation_take_has_more(json_t *messages);

/* GET `collection` with the options as its query; a table. */
int invocation_ls(
    struct invocation *invocation, const char *collection, const struct column *columns);
/* GET `prefix`NAME; as invocation_call(). */
int invocation_get(struct invocation *invocation, const char *prefix, json_t **record_out);
/* The same, printed. */
int invocation_show(struct invocation *invocation, const char *prefix);
/* POST to `collection`: the options, and the operand as `name_field`. */
int invocation_add(struct invocation *invocation, const char *collection, const char *name_field);
/* PATCH `prefix`NAME with the options. */
int invocation_set(struct invocation *invocation, const char *prefix);
/* DELETE `prefix`NAME. */
int invocation_rm(struct invocation *invocation, const char *prefix);
/* POST the options to `prefix`NAME`suffix`. */
int invocation_post(struct invocation *invocation, const char *prefix, const char *suffix);

/* POST `body` to `path`; on_line is handed each line that comes before the result. */
int invocation_stream(struct invocation *invocation, const char *path, const json_t *body,
    void (*on_line)(const json_t *line, void *ctx), void *ctx, json_t **result_out);

/* The answer of a command that has nothing to say but that it is done: the object with -j. */
int invocation_finish(const struct invocation *invocation, int status, json_t *result);

/* A path with the options as its query: `?list=a&limit=5`. The caller frees. */
char *invocation_query(const struct invocation *invocation, const char *path);

#endif
