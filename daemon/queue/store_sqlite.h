/*
 * store_sqlite - what the files of the SQLite store share
 *
 * Context  storage thread
 * Fails    enum store_result; STORE_FULL and STORE_BROKEN end the batch
 */
#ifndef POSTERN_QUEUE_STORE_SQLITE_H
#define POSTERN_QUEUE_STORE_SQLITE_H

#include "daemon/queue/store.h"
#include "daemon/queue/tally.h"

#include <sqlite3.h>

/* Pieces of one body: body.id is message << BODY_PIECE_BITS | piece. */
#define BODY_PIECE_BITS 20

#define PAGE_BYTES 4096

enum statement {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_INSERT_MESSAGE,
	SQL_INSERT_RECIPIENT,
	SQL_INSERT_WISHES,
	SQL_INSERT_BODY,
	SQL_DELETE_MESSAGE,
	SQL_DELETE_RECIPIENTS,
	SQL_DELETE_WISHES,
	SQL_DELETE_BODY,
	SQL_UPDATE_MESSAGE,
	SQL_UPDATE_RECIPIENT,
	SQL_GET_MESSAGE,
	SQL_MEASURE_RECIPIENTS,
	SQL_GET_RECIPIENTS,
	SQL_GET_WISHES,
	SQL_GET_BODY,
	SQL_GET_WINDOW,
	SQL_GET_NEXT_FLOW,
	SQL_GET_DUE,
	SQL_GET_NEXT_DUE,
	SQL_FIND_FILE,
	SQL_LOOK,
	SQL_FIND_ALL,
	SQL_FIND_UNTIMED,
	SQL_FIND_TIMED,
	SQL_SET_STATE,
	SQL_BEGIN_NOW,
	SQL_SCHEDULE,
	SQL_DECIDE_RECIPIENTS,
	SQL_COUNT_PENDING,
	SQL_GET_PLACES_OF_FLOW,
	SQL_GET_PLACES_BEHIND,
	SQL_GET_OWNERS,
	SQL_PUT_OWNER,
	SQL_DELETE_OWNER,
	SQL_SET_NEXT_ID,
	SQL_PUT_PROFILE,
	SQL_DELETE_PROFILE,
	SQL_GET_PROFILES,
	SQL_BOOK,
	SQL_SWEEP_BOOKED,
	SQL_GATHER_BOOKED,
	SQL_DROP_BOOKED,
	SQL_GET_BOOKED,
	SQL_ADD_USED,
	SQL_GATHER_USED,
	SQL_SWEEP_USED,
	SQL_GET_USED,
	SQL_GET_LIMITED,
	SQL_GET_NEXT_LIMITED,
	SQL_ADD_JOURNAL,
	SQL_GET_JOURNAL,
	SQL_GET_NUMBERS,
	SQL_FORGET_JOURNAL,
	SQL_GET_REMOVED,
	SQL_FREE_PAGES,
	SQL_PAGES,
	SQL_GET_AGED,
	SQL_GET_ENTERING,
	SQL_ENTER,
	SQL_SET_ENTERED,
	SQL_SET_AGE,
	SQL_SHRINK,
	SQL_COUNT
};

struct pages_copy;

struct store {
	sqlite3 *db;
	sqlite3_stmt *statements[SQL_COUNT];
	uint64_t next_id;
	uint32_t epoch;
	uint32_t wal_pages;
	struct {
		uint64_t next;  /* number of the next record */
		uint64_t moved; /* up to where it stands in the history */
		struct journal_counts {
			uint64_t records;
			uint64_t forgotten; /* up to where it was deleted */
			uint64_t lost;
		} counts, before; /* the transaction */
		bool is_off;      /* for the transaction */
		/* What there was when the store was opened, and how much of it is counted. */
		uint64_t counted, last;
		bool is_counting;
		struct buf record;
	} journal;
	struct tally tally;
	/* Up to this id all messages are in message_age; and before the transaction. */
	uint64_t entered, entered_before;
	int64_t backup_at_ms;
	struct pages_copy *snapshot; /* NULL: none is being made */
	char problem[256];
};

/* What a look at a message shows. */
struct look {
	struct tally_place place;
	uint64_t body_file;
	bool has_wishes;
	int64_t begins_at_ms;
	const char *login, *list; /* until the statement is reset */
};

/* Binds the parameters by their letters: i int64, t text, b slice (pointer and size follow as
 * struct slice *), and steps once. */
sqlite3_stmt *sql_bind(struct store *store, enum statement which, const char *types, ...);
/* One step; SQLITE_ROW, SQLITE_DONE or the error. Resets the statement unless there is a row. */
int sql_step(sqlite3_stmt *statement);
/* Binds and runs a statement that gives no rows. */
#define sql_run(store, which, ...) sql_result(store, sql_step(sql_bind(store, which, __VA_ARGS__)))
/* What an SQLite code means for the batch; remembers the problem. */
enum store_result sql_result(struct store *store, int code);
const char *sql_text(sqlite3_stmt *statement, int column);

enum store_result store_insert(struct store *store, struct insert_job *job);
enum store_result store_fate(struct store *store, struct fate_job *job);
enum store_result store_delete_message(
    struct store *store, uint64_t message_id, bool has_wishes, uint64_t *body_file_out);
/* The same for an operator, and written down. */
enum store_result store_remove_message(
    struct store *store, uint64_t message_id, bool has_wishes, int64_t now_ms);
enum store_result store_load(struct store *store, uint64_t message_id, struct mail **out);
/* The same with its body. */
enum store_result store_load_whole(struct store *store, struct load_job *job);
enum store_result store_body(struct store *store, struct body_job *job);
enum store_result store_window(struct store *store, struct window_job *job);
enum store_result store_flows(struct store *store, struct flows_job *job);
enum store_result store_wake(struct store *store, struct wake_job *job);
enum store_result store_scan(struct store *store, struct scan_job *job);
/* Ids of what a scan means, some at a time, into its search; false: that is all. */
enum store_result store_find(struct store *store, struct scan_job *job, bool *has_more_out);
/* It is by what was counted that it finds them. */
bool scan_needs_counts(const struct scan_job *job);
/* Whether this message, at which a look was taken, is what the scan means. */
bool scan_is_wanted(const struct scan_job *job, uint64_t id, const struct look *look);
/* The same, by its state. */
bool scan_is_state_wanted(const struct scan_job *job, uint8_t state, bool has_time);
bool scan_is_sending(const struct scan_job *job, uint64_t id);

/* Looks at a message; *look_out holds until the statement that is given is reset. NULL: it is gone,
 * or can't be read. */
sqlite3_stmt *store_look(
    struct store *store, uint64_t id, struct look *look_out, enum store_result *result_out);
/* Puts the message at this place into a state. Whoever changes state or time does it here, or tells
 * the tally. */
enum store_result store_move(
    struct store *store, const struct tally_place *from, enum mail_state state, int64_t next_at_ms);
void store_tally_move(
    struct store *store, const struct tally_place *from, enum mail_state state, int64_t next_at_ms);
/* A held message may go. */
enum store_result store_release_message(
    struct store *store, uint64_t id, const struct look *look, int64_t now_ms);
/* Where a message stands; false: there is none, or *result_out says why. */
bool store_place(
    struct store *store, uint64_t id, struct tally_place *place_out, enum store_result *result_out);
/* Under which names a user's mail comes. */
enum store_result store_note_owner(struct store *store, const struct mail *mail);
/* What users' mail came under, when the store is opened; what there is of it is counted later. */
enum store_result store_load_owners(struct store *store);
enum store_result store_census(struct store *store, struct census_job *job);
enum store_result store_count(struct store *store, struct count_job *job);
enum store_result store_owners(struct store *store, struct owners_job *job);
enum store_result store_book(struct store *store, const struct book_job *job);
enum store_result store_load_booked(struct store *store, struct load_booked_job *job);
enum store_result store_charge(struct store *store, const struct charge *charge);
enum store_result store_sweep_used(struct store *store, const struct used_job *job);
enum store_result store_load_used(struct store *store, struct used_job *job);
enum store_result store_release(struct store *store, struct release_job *job);
/* None: nothing is done. */
enum store_result store_add_notice(struct store *store, const struct notice *notice);
enum store_result store_aged(struct store *store, struct aged_job *job);
enum store_result store_enter_ages(struct store *store, struct enter_ages_job *job);
enum store_result store_age(struct store *store, struct age_job *job);
/* Where the journal ends, when the database has been opened. */
enum store_result store_open_journal(struct store *store);
enum store_result store_add_journal(struct store *store, const struct buf *record);
enum store_result store_note_accepted(
    struct store *store, const struct mail *mail, const char *profile);
enum store_result store_note_removed(struct store *store, uint64_t message_id, int64_t now_ms);
enum store_result store_read_journal(struct store *store, struct journal_read_job *job);
/* Before a commit: some of what stands in the history. */
enum store_result store_forget_journal(struct store *store);
enum store_result store_snapshot(struct store *store, struct snapshot_job *job);
/* Gives up one that is being made. */
void store_end_snapshot(struct store *store);

#endif
