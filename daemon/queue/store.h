/*
 * store - where the queue lies on disk: the jobs it can do, whatever is behind it
 *
 * Role     queue
 * Owns     what the jobs' results point to until the job's owner takes it
 * Context  jobs are filled on the loop and posted with storage_post(); store_* itself is called
 *          on the storage thread only, except store_open() and store_close()
 * Units    bytes, milliseconds; *_at_ms are wall clock
 *
 * A batch of jobs is one transaction: store_begin(), store_run() for each, store_commit(). Bodies
 * from BODY_FILE_BYTES up are not here but in files (bodyfile.h).
 */
#ifndef POSTERN_QUEUE_STORE_H
#define POSTERN_QUEUE_STORE_H

#include "common/buf.h"
#include "common/chunk.h"
#include "common/err.h"
#include "daemon/config/reply_rules.h"
#include "daemon/queue/budget.h"
#include "daemon/queue/mail.h"
#include "daemon/queue/usage.h"
#include "daemon/queue/worker.h"

struct store;

enum store_job_kind {
	STORE_INSERT,
	STORE_FATE,
	STORE_LOAD,
	STORE_BODY,
	STORE_WINDOW,
	STORE_FLOWS,
	STORE_WAKE,
	STORE_SCAN,
	STORE_COUNT,
	STORE_OWNERS,
	STORE_RESERVE,
	STORE_PROFILE,
	STORE_PROFILES,
	STORE_BOOK,
	STORE_LOAD_BOOKED,
	STORE_SWEEP_USED,
	STORE_LOAD_USED,
	STORE_RELEASE,
	STORE_ENTER_AGES,
	STORE_AGED,
	STORE_AGE,
	STORE_JOURNAL_ADD,
	STORE_JOURNAL_READ,
	STORE_SNAPSHOT,
	STORE_CENSUS
};

/* What a message adds to what its user has sent; user 0: it isn't counted. */
struct charge {
	uint64_t user_id;
	int64_t at_ms;
	struct usage_count count;
};

/* A new message with its small body, and what it counts, both or none; outcome JOB_DONE: it
 * survives from now on; JOB_LATE: nothing of it was written. Borrows. */
struct insert_job {
	struct job job;
	struct mail *mail;
	struct charge charge;
	char profile[256];          /* where it will go, for the journal */
	int64_t expires_at_ms;      /* monotonic: not begun from then on; 0: never */
	const struct slice *slices; /* none if the body is in a file */
	uint32_t slice_count;
};

struct fate_row {
	uint16_t index;
	uint16_t code;
	uint8_t state; /* enum recipient_state */
	bool has_dsn;  /* not stored: the upstream knows which notices are wanted */
	const char *enhanced, *reply;
	enum reply_class class;
	const char *rule;       /* which said so; "": none */
	struct reply_wait wait; /* not stored: before the next attempt; zeroes: by the schedule */
};

/* A message of ours, which goes into the store with what it tells of. */
struct notice {
	struct mail *mail;    /* NULL: none */
	char *profile;        /* where it will go, for the journal */
	struct slice *slices; /* its body */
	uint32_t slice_count;
};

/* Frees what it points to. */
void notice_fini(struct notice *notice);

/* What an attempt did to a message, and the notice that tells of it. Borrows. */
struct fate_job {
	struct job job;
	uint64_t message_id;
	bool is_over;           /* nobody is left: the message goes */
	uint64_t body_file_out; /* that was its body's, if it went with this; 0: none */
	bool has_wishes;        /* of the message */
	uint8_t state;
	int64_t next_at_ms;
	uint32_t attempts;
	uint64_t attempt;
	struct fate_row *rows;
	uint32_t row_count;
	struct buf record;     /* of the journal; none if it is empty */
	struct buf transcript; /* likewise */
	struct notice notice;
};

/* Everything of one message; gives mail_out, NULL when there is none. And its body, if it is in rows,
 * all there and no longer than body_limit_bytes: gives chunk_out, else NULL. */
struct load_job {
	struct job job;
	uint64_t message_id;
	uint32_t body_limit_bytes; /* 0: without its body */
	struct mail *mail_out;
	struct chunk *chunk_out;
};

/* A piece of a body in rows, from row `first` on, at most about `limit_bytes`; gives chunk_out,
 * NULL when there is nothing more. */
struct body_job {
	struct job job;
	uint64_t message_id;
	uint32_t first;
	uint32_t limit_bytes;
	uint32_t next_out;
	struct chunk *chunk_out;
};

/* What can go next. */
struct ready_row {
	uint64_t message_id, user_id;
	int64_t received_at_ms;
	uint64_t size;
	uint32_t recipient_count; /* those that are not done */
	uint8_t priority;
	int64_t next_at_ms; /* until when it was put off */
};

/* The first ready messages of one user and priority behind `after`, at most `limit`; gives rows. */
struct window_job {
	struct job job;
	uint64_t user_id;
	uint8_t priority;
	uint64_t after;
	uint32_t limit;
	struct ready_row *rows_out;
	uint32_t row_count_out;
	bool has_more_out; /* the limit was reached */
};

/* Some user has something ready at this priority. */
struct flow_row {
	uint64_t user_id;
	uint64_t first_id; /* the first of what is ready */
	uint8_t priority;
};

/* Who has something ready, behind `after` and at most `limit`; gives rows. Costs as much as there
 * are rows, however many messages each stands for. */
struct flows_job {
	struct job job;
	struct flow_row after;
	uint32_t limit;
	struct flow_row *rows_out;
	uint32_t row_count_out;
};

/* Deferred messages whose time has come become ready, at most `limit` of a kind; gives rows. So do
 * those that wait beyond latest_ms: nobody put them off for so long, the clock was set back. What is
 * scheduled waits for its time whenever that is. */
struct wake_job {
	struct job job;
	int64_t now_ms;
	int64_t latest_ms; /* 0: none is looked for */
	uint32_t limit;
	struct ready_row *rows_out;
	uint32_t row_count_out;
	int64_t next_at_ms_out; /* 0: nothing is deferred */
};

enum scan_action { SCAN_LIST, SCAN_HOLD, SCAN_RELEASE, SCAN_RETRY, SCAN_SCHEDULE, SCAN_REMOVE };

struct scan_filter {
	const char *login, *list; /* NULL: any */
	const uint64_t *user_ids; /* sorted; only these if has_users */
	size_t user_count;
	bool has_users;
	enum shown_state state;
	bool skips_sending;
	const uint64_t *sending; /* sorted: what is in flight */
	size_t sending_count;
	const uint64_t *ids; /* only these, if id_count > 0 */
	size_t id_count;
};

struct scan_search;

/* Looks at a bounded number of messages: the caller posts it again until is_end_out, then calls
 * store_end_scan(). SCAN_LIST gives messages in the order of their ids, the first `limit` behind
 * `after`; the others the ids of those they changed, at most `limit` at a time, in no order. A
 * message that others change meanwhile may be missed by a list, not by a change. */
struct scan_job {
	struct job job;
	enum scan_action action;
	int64_t now_ms; /* for SCAN_RELEASE, SCAN_RETRY and SCAN_REMOVE */
	int64_t at_ms;  /* for SCAN_SCHEDULE */
	struct scan_filter filter;
	uint64_t after;
	uint32_t limit;
	struct scan_search *search; /* the store's own */
	struct mail **mails_out;
	uint64_t *ids_out;
	uint64_t *files_out; /* their bodies' files; 0: none */
	uint32_t count_out;
	bool is_end_out;
};

struct count_row {
	uint64_t user_id;
	uint64_t count;
	uint32_t by_priority[5]; /* 1 first; of those without a time */
	uint8_t state;
	bool is_deferred;
};

/* Behind a start it may be before all is counted; gives rows. */
struct count_job {
	struct job job;
	struct count_row *rows_out;
	uint32_t row_count_out;
	bool is_partial_out;
};

/* A slice of counting what there was when the store was opened. Without has_counts_out no filter
 * finds everything and nobody knows whose mail there is. */
struct census_job {
	struct job job;
	bool has_counts_out;
	bool is_end_out;
};

/* Whose mail there is. */
struct owner_row {
	uint64_t user_id;
	uint64_t count;
	char *login, *list;
};

/* Gives rows and their texts. */
struct owners_job {
	struct job job;
	struct owner_row *rows_out;
	uint32_t row_count_out;
};

/* Ids below `next_id` will never be given again. */
struct reserve_job {
	struct job job;
	uint64_t next_id;
};

enum profile_trouble { TROUBLE_NONE, TROUBLE_LIMITED, TROUBLE_STOPPED };

#define PROFILE_ERROR_SIZE 1025 /* what a report may say of it */

/* What is remembered of a profile that has a problem. */
struct profile_row {
	uint64_t profile_id;
	uint32_t version;
	uint8_t trouble; /* enum profile_trouble; TROUBLE_NONE removes the row */
	uint32_t failures;
	int64_t until_ms;
	char last_error[PROFILE_ERROR_SIZE];
	enum reply_class class; /* of the trouble */
	char rule[REPLY_RULE_ID_SIZE];
	int64_t since_ms;  /* when it began */
	int64_t set_at_ms; /* when until_ms was */
	/* What was learned of the upstream, also without any trouble; then the row stays. */
	uint32_t width;          /* connections at once; 0: as many as the profile says */
	uint32_t recipients_max; /* of one transaction; 0: any */
	int64_t recipients_at_ms;
	int64_t longest_wait_ms; /* that a recipient was ever told to wait */
	/* Rates as common/rate.h has them; "": none. */
	char rate[RATE_TEXT_SIZE], recipient_rate[RATE_TEXT_SIZE];
	int64_t rate_step_ms; /* how long they hold before they are raised */
};

struct profile_job {
	struct job job;
	struct profile_row row;
};

struct profiles_job {
	struct job job;
	struct profile_row *rows_out;
	uint32_t row_count_out;
};

/* A profile's budget: these lines replace what stood there for their slots. */
struct book_job {
	struct job job;
	uint64_t profile_id;
	struct booking lines[BUDGET_LINES_MAX];
	size_t count;
};

struct booked_row {
	uint64_t profile_id;
	struct booking line;
};

/* Gives what is booked and not over; what lies ahead of now_ms is booked for now. */
struct load_booked_job {
	struct job job;
	int64_t now_ms;
	struct booked_row *rows_out;
	uint32_t row_count_out;
};

/* A slot of what a user has sent. */
struct used_row {
	uint64_t user_id;
	int64_t slot_ms, slot;
	struct usage_count count;
};

/* SWEEP: forgets what is over at now_ms. LOAD: gives all slots, and the users that have messages
 * waiting for their limit. */
struct used_job {
	struct job job;
	int64_t now_ms;
	struct used_row *rows_out;
	uint32_t row_count_out;
	uint64_t *waiting_out;
	uint32_t waiting_count_out;
};

#define ENTERED_A_JOB 500

/* What is to be found by aged_job has to be entered before: what came since the last time is, in
 * slices. Ids that come behind one that was entered already are entered as they come. */
struct enter_ages_job {
	struct job job;
	bool is_end_out;
};

/* A message that has been waiting for long. */
struct aged_row {
	uint64_t message_id, user_id;
	int64_t begins_at_ms, next_at_ms;
};

#define AGED_ROWS_MAX 100

/* Messages of one state and age, of those that were entered, that began by `until_ms`, the oldest first, behind the one named;
 * AGED_ROWS_MAX at the most. */
struct aged_job {
	struct job job;
	uint8_t state, age;
	int64_t until_ms;
	int64_t after_begins_at_ms;
	uint64_t after_id;
	struct aged_row rows[AGED_ROWS_MAX];
	uint32_t row_count_out;
	bool is_end_out;
};

/* Messages get an age, unless they have it or a later attempt than that one has ended. With a single
 * one goes the notice that tells of it, if it was changed. Borrows. */
struct age_job {
	struct job job;
	const uint64_t *ids;
	uint32_t count;
	uint8_t age;
	uint64_t last_attempt;
	struct notice notice;
	bool is_done_out; /* the last one was changed */
};

#define RELEASES_A_JOB 200

/* Makes messages that wait for a user's limit ready, as many of the first as fit into what is left
 * (`most` is left to one who sent nothing), and counts them in charge. */
struct release_job {
	struct job job;
	uint64_t user_id;
	struct usage_count left, most;
	bool is_counted;      /* the user still has a limit */
	struct charge charge; /* user and time are given, the count is added */
	uint32_t count_out;
	bool is_last_out; /* none is left that waits */
};

/* A record of the journal by itself. Borrows. */
struct journal_add_job {
	struct job job;
	const struct buf *record;
};

struct journal_entry {
	uint64_t number; /* rises, never given twice */
	size_t at, size; /* of its record */
};

#define JOURNAL_ENTRIES_A_JOB 2000

/* The records behind `moved`, in order, about a megabyte at most. Those up to `moved` stand in the
 * history: they are deleted with the next commits, whoever's those are. Gives entries and bytes. */
struct journal_read_job {
	struct job job;
	uint64_t moved;
	struct journal_entry *entries_out;
	struct buf bytes_out;
	uint32_t count_out;
	uint64_t lost_out; /* records that were deleted unmoved, to keep the journal bounded */
};

/* Copies a part of the database into the file `path`, which the first part makes; there is one copy
 * at a time. It is whole when is_end_out is set, as the database was in that moment. It fails alone:
 * the copy is given up then. */
struct snapshot_job {
	struct job job;
	const char *path;
	bool is_first;
	bool is_end_out;
	struct err problem;
};

enum store_result {
	STORE_OK,
	STORE_REFUSED, /* this job alone can't be done; the transaction goes on */
	STORE_LATE,    /* the same; it came after its deadline */
	STORE_FULL,    /* the transaction is gone: no room */
	STORE_BROKEN   /* the transaction is gone, nothing more may be trusted: open again */
};

/* Opens or makes `path`. A file that isn't a queue, is damaged, belongs to a newer postern, or is
 * in use by another process: -1 and *err_out, nothing changed. */
__attribute__((warn_unused_result)) int store_open(
    const char *path, struct store **store_out, struct err *err_out);
/* Checkpoints if it can. */
void store_close(struct store *store);
/* It won't: what was written can't be trusted to be there. */
void store_give_up(struct store *store);

/* As it was when the store was opened. */
uint64_t store_next_id(const struct store *store);
/* How often the database was opened; never the same twice. */
uint32_t store_epoch(const struct store *store);

/* On the loop: the job is posted no more. */
void store_end_scan(struct scan_job *job);
/* Whether this job has to wait until there are counts. */
bool store_needs_counts(const struct job *job);
/* When the backup was made that the database was restored from; 0: it was not, or was opened since. */
int64_t store_backup_at_ms(const struct store *store);

enum store_result store_begin(struct store *store);
/* What happens in it is not written to the journal but counted as lost: for a full disk. */
enum store_result store_begin_bare(struct store *store);
enum store_result store_run(struct store *store, struct job *job);
enum store_result store_commit(struct store *store);
void store_rollback(struct store *store);
/* What the last failure was. */
const char *store_problem(const struct store *store);

/* Bytes that wait in the write-ahead log for a checkpoint. */
uint64_t store_wal_bytes(const struct store *store);
enum store_result store_checkpoint(struct store *store);
/* Makes the log's file longer, by 1 MiB at most, and flushes that; done: it has the limit already. */
enum store_result store_lengthen_log(struct store *store, uint64_t limit_bytes, bool *is_done_out);
/* Whether most of a file of some size is pages that deletes left free. */
bool store_is_hollow(struct store *store);
/* Gives such pages back to the file system, some at a time; the file is shorter behind the next
 * checkpoint. In a transaction or by itself. */
enum store_result store_shrink(struct store *store, bool *has_freed_out);
/* Whether a message has its body in this file; before the storage thread runs. */
bool store_has_file(struct store *store, uint64_t name);

#endif
