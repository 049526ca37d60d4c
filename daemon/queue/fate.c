/*
 * fate - a report's way: its message's details (from memory, or read back), the decision, the
 * notice if there is one to write (fate_notice.c), the commit, the acknowledgement.
 */
#include "daemon/queue/fate.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/queue/backoff.h"
#include "daemon/queue/fate_log.h"
#include "daemon/queue/fate_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A disk that is full is asked again after so long; relay keeps the report meanwhile. */
#define FULL_RETRY_MS 1000

static void
acknowledge(struct fates *fates, uint64_t message_id, uint64_t attempt)
{
	struct link *relay = scheduler_relay(fates->scheduler);
	struct msg_report_ack ack = {.message_id = message_id, .attempt = attempt};

	/* Without a link relay reports again on the next one. */
	if (relay != NULL)
		link_send(relay, MSG_REPORT_ACK, &ack);
}

/* ---- the end ---- */

static void
end(struct settlement *settlement)
{
	(void)idmap_remove(&settlement->fates->settling, settlement->job.message_id);
	settlement_free(settlement);
}

static void
finish(struct settlement *settlement, struct entry *entry)
{
	struct fates *fates = settlement->fates;
	const struct fate_job *job = &settlement->job;

	fate_log(settlement, entry, loop_wall_ms(fates->role->loop));
	if (settlement_is_reported(settlement))
		acknowledge(fates, entry->id, settlement->attempt);
	/* Its attempt is over, so nobody reads it. */
	if (job->body_file_out != 0)
		storage_spare_file(fates->storage, job->body_file_out, entry->mail->size);
	if (job->notice.mail != NULL) {
		scheduler_add(fates->scheduler, job->notice.mail, job->notice.slices,
		    job->notice.slice_count);
		settlement->job.notice.mail = NULL;
	}
	if (!job->is_over && job->state == MAIL_WAITING && job->next_at_ms == 0) {
		settlement_apply(settlement, entry->mail);
		scheduler_settled_in_part(fates->scheduler, entry, job->row_count);
	} else {
		scheduler_settled(fates->scheduler, entry,
		    job->is_over || job->state == MAIL_HELD ? 0 : job->next_at_ms);
	}
	end(settlement);
}

static void
on_retry(void *ctx)
{
	fate_post(ctx);
}

static void
on_fate_written(struct job *job)
{
	struct settlement *settlement = (struct settlement *)(void *)job;
	struct fates *fates = settlement->fates;

	if (job->outcome == JOB_DISK_FULL) {
		if (settlement->retry == NULL)
			settlement->retry = timer_new(fates->role->loop, on_retry, settlement);
		timer_set(settlement->retry, FULL_RETRY_MS);
		return;
	}
	if (job->outcome == JOB_DONE)
		finish(settlement, scheduler_find(fates->scheduler, settlement->job.message_id));
	else
		end(settlement); /* the role ends; relay will report again */
}

void
fate_post(struct settlement *settlement)
{
	fate_write_record(
	    settlement, scheduler_find(settlement->fates->scheduler, settlement->job.message_id));
	settlement->job.job.on_done = on_fate_written;
	/* Nobody waits for a fate: it may go with the next messages. */
	settlement->job.job.urgency = JOB_WRITES_LAZILY;
	storage_post(settlement->fates->storage, STORE_FATE, &settlement->job.job);
}

/* ---- the decision ---- */

static const char *
describe_failure(const struct mail *mail)
{
	if (mail->is_notice)
		return "a notice could not be delivered";
	return *mail->sender == '\0' ? "a message with a null sender could not be delivered"
				     : "a message could not be delivered";
}

/* One alert for all of its recipients: they are of one address. */
static void
alert_sender(struct fates *fates, const struct settlement *settlement, const struct mail *mail,
    const struct fate_row *row)
{
	char detail[1024];

	(void)snprintf(detail, sizeof(detail),
	    "profile %.100s: the upstream does not let it send as this address, and the message "
	    "is held (%u %s %.400s). Give the account the right there, or the profile a From of "
	    "its own: posternctl profile set %.100s --from ADDRESS --from-policy replace "
	    "--envelope-sender ADDRESS; then posternctl queue release ID",
	    settlement->profile, row->code, row->enhanced, row->reply, settlement->profile);
	role_alert(fates->role, "sender-denied", mail->login, mail->list, mail->sender, detail);
}

/* See relay/suspects.h. */
static void
alert_suspect(struct fates *fates, const struct settlement *settlement, const struct mail *mail,
    const struct fate_row *row)
{
	char detail[1024];

	(void)snprintf(detail, sizeof(detail),
	    "profile %.100s: the upstream says of the account what only this message hears (%u %s "
	    "%.400s). The message waits by itself and the others go: look at its addresses and "
	    "subject, posternctl queue ls --state deferred, and remove it if nobody needs it",
	    settlement->profile, row->code, row->enhanced, row->reply);
	role_alert(fates->role, "message-alone", mail->login, mail->list, mail->sender, detail);
}

/* A failure of which nobody may be told by mail, and what only an operator can decide. */
static void
alert_operator(struct fates *fates, const struct settlement *settlement, const struct mail *mail)
{
	struct telling telling = {.config = fates->role->config,
	    .routes = scheduler_routes(fates->scheduler),
	    .mail = mail};

	for (uint32_t i = 0; i < settlement->job.row_count; i++) {
		const struct fate_row *row = &settlement->job.rows[i];
		const struct recipient *recipient = mail_recipient(mail, row->index);

		if (settlement->is_denied && row->class == REPLY_SENDER_DENIED &&
		    row->state == RECIPIENT_PENDING)
			alert_sender(fates, settlement, mail, row);
		else if (i == 0 && row->state == RECIPIENT_PENDING &&
			 strcmp(row->rule, "message-alone") == 0)
			alert_suspect(fates, settlement, mail, row);
		else if (row->state == RECIPIENT_UNDECIDED)
			role_alert(fates->role, "uncertain", mail->login, mail->list,
			    recipient->address,
			    "a message may have been delivered: retry or remove it (posternctl "
			    "queue ls --state uncertain)");
		else if (row->state == RECIPIENT_FAILED &&
			 (!telling.config->queue.has_bounces ||
			     telling_is_barred(&telling, recipient)))
			role_alert(fates->role, "undeliverable", mail->login, mail->list,
			    recipient->address, describe_failure(mail));
	}
}

static void
settle(struct settlement *settlement, struct entry *entry)
{
	struct fates *fates = settlement->fates;
	const struct mail *mail = entry->mail;
	struct routes *routes = scheduler_routes(fates->scheduler);
	struct settlement_basis basis = {.config = fates->role->config,
	    .routes = routes,
	    .profile =
		entry->profile != NULL ? entry->profile : routes_of_user(routes, entry->user_id),
	    .now_ms = loop_wall_ms(fates->role->loop),
	    .chance = backoff_chance()};

	settlement_decide(settlement, mail, &basis);
	if (entry->profile != NULL)
		profile_note_wait(routes, entry->profile, settlement->wait_ms);
	if (entry->is_removed) {
		settlement->job.is_over = true;
		settlement->told_count = 0;
	}
	if ((entry->is_to_hold || settlement->is_to_hold || settlement->is_denied) &&
	    !settlement->job.is_over) {
		settlement->job.state = MAIL_HELD;
		settlement->job.next_at_ms = 0;
	}
	if (!entry->is_removed)
		alert_operator(fates, settlement, mail);
	if (settlement->told_count == 0 || fate_make_notice(settlement, entry))
		fate_post(settlement);
}

/* Its fate was written before the queue ended, only the acknowledgement got lost; or an operator
 * removed it. Or it is not to end for its age after all. */
static bool
is_superseded(const struct settlement *settlement, const struct mail *mail)
{
	const struct role_context *role = settlement->fates->role;

	if (mail == NULL || mail->last_attempt >= settlement->attempt)
		return true;
	if (!settlement->is_overdue)
		return false;
	return (mail->state != MAIL_WAITING && mail->state != MAIL_UNCERTAIN) ||
	       loop_wall_ms(role->loop) - mail->begins_at_ms < role->config->queue.lifetime_ms;
}

/* Read back because the queue was started after the attempt had begun, or there was none. */
static void
on_loaded(struct job *job)
{
	struct settlement *settlement = job->ctx;
	struct fates *fates = settlement->fates;
	struct mail *mail = settlement->load.mail_out;
	struct entry *entry = scheduler_find(fates->scheduler, settlement->job.message_id);

	if (job->outcome != JOB_DONE) {
		free(mail);
		end(settlement);
		return;
	}
	if (is_superseded(settlement, mail)) {
		int64_t next_at_ms = mail == NULL ? 0 : mail->next_at_ms;
		bool is_ready = mail != NULL && next_at_ms == 0;

		free(mail);
		if (settlement_is_reported(settlement))
			acknowledge(fates, entry->id, settlement->attempt);
		scheduler_settled(fates->scheduler, entry, next_at_ms);
		end(settlement);
		if (is_ready)
			scheduler_look_everywhere(fates->scheduler);
		return;
	}
	entry->mail = mail;
	entry->user_id = mail->user_id;
	settle(settlement, entry);
}

/* `profile` NULL: accounts has not named it since the queue was started. */
static void
begin(struct fates *fates, struct settlement *settlement, struct entry *entry,
    const struct profile *profile)
{
	settlement->fates = fates;
	settlement->given_count = entry->given_count;
	settlement->profile = xstrdup(profile == NULL ? "" : profile->name);
	idmap_put(&fates->settling, entry->id, settlement);
	scheduler_settling(fates->scheduler, entry);
	if (entry->mail != NULL) {
		settle(settlement, entry);
		return;
	}
	settlement->load = (struct load_job){
	    .job = {.on_done = on_loaded, .ctx = settlement, .urgency = JOB_READS},
	    .message_id = entry->id};
	storage_post(fates->storage, STORE_LOAD, &settlement->load.job);
}

/* ---- what relay says ---- */

/* It goes again at once, to fewer recipients at a time. */
static bool
is_split(struct fates *fates, struct profile *profile, const struct msg_report *report,
    uint32_t given_count)
{
	if (report->outcome != ATTEMPT_SPLIT || report->recipients_max == 0 ||
	    report->recipients_max >= given_count)
		return false;
	profile_note_recipients(
	    scheduler_routes(fates->scheduler), profile, report->recipients_max);
	return true;
}

/* Recipients were taken, but perhaps the account is to wait, or takes fewer of them at a time. */
static void
note_attempt(struct fates *fates, struct profile *profile, const struct msg_report *report)
{
	struct routes *routes = scheduler_routes(fates->scheduler);

	profile_note_recipients(routes, profile, report->recipients_max);
	if (reply_class_is_account((enum reply_class)report->class)) {
		profile_note_trouble(
		    routes, profile, report, scheduler_next_attempt(fates->scheduler));
		return;
	}
	profile_note_success(routes, profile, report->attempt);
	if (report->is_slower)
		profile_note_slower(profile);
}

static void
take_back(struct fates *fates, struct entry *entry, const struct msg_report *report)
{
	struct profile *profile = entry->profile;
	uint32_t given_count = entry->given_count;

	acknowledge(fates, report->message_id, report->attempt);
	if (profile == NULL)
		profile = routes_profile(scheduler_routes(fates->scheduler), report->profile_id);
	if (profile != NULL && entry->mail != NULL && report->outcome != ATTEMPT_CANCELLED)
		fate_note_trouble(fates, entry, profile, report);
	scheduler_return(fates->scheduler, entry);
	if (profile == NULL)
		return;
	if (report->outcome == ATTEMPT_CANCELLED) {
		scheduler_rest(fates->scheduler, profile);
		return;
	}
	if (!is_split(fates, profile, report, given_count))
		profile_note_trouble(scheduler_routes(fates->scheduler), profile, report,
		    scheduler_next_attempt(fates->scheduler));
	scheduler_look(fates->scheduler, profile);
}

void
fate_report(struct fates *fates, const struct msg_report *report)
{
	struct entry *entry = scheduler_find(fates->scheduler, report->message_id);

	/* It is being written: the acknowledgement will come. */
	if (entry != NULL && entry->state == ENTRY_SETTLING && entry->attempt == report->attempt)
		return;
	if (entry == NULL || entry->state != ENTRY_SENDING || entry->attempt != report->attempt) {
		acknowledge(fates, report->message_id, report->attempt);
		return;
	}
	if (report->outcome != ATTEMPT_ATTEMPTED) {
		take_back(fates, entry, report);
		return;
	}
	if (entry->profile != NULL)
		note_attempt(fates, entry->profile, report);
	begin(fates, settlement_new(report), entry,
	    entry->profile != NULL
		? entry->profile
		: routes_profile(scheduler_routes(fates->scheduler), report->profile_id));
}

void
fate_lost(struct fates *fates, struct entry *entry)
{
	struct msg_report report = {.message_id = entry->id,
	    .attempt = entry->attempt,
	    .upstream = "",
	    .tls = "",
	    .transcript = ""};
	struct settlement *settlement = settlement_new(&report);

	settlement->is_lost = true;
	begin(fates, settlement, entry, entry->profile);
}

void
fate_overdue(struct fates *fates, struct entry *entry)
{
	struct msg_report report = {.message_id = entry->id,
	    .attempt = entry->attempt,
	    .upstream = "",
	    .tls = "",
	    .transcript = ""};
	const struct profile *profile =
	    routes_of_user(scheduler_routes(fates->scheduler), entry->user_id);
	struct settlement *settlement = settlement_new(&report);

	settlement->is_overdue = true;
	telling_explain(profile, loop_wall_ms(fates->role->loop), settlement->why);
	begin(fates, settlement, entry, profile);
}

size_t
fates_under_way(const struct fates *fates)
{
	return fates->settling.count;
}

struct fates *
fates_new(struct role_context *role, struct storage *storage, struct scheduler *scheduler,
    struct notices *notices)
{
	struct fates *fates = xcalloc(1, sizeof(*fates));

	fates->role = role;
	fates->storage = storage;
	fates->scheduler = scheduler;
	fates->notices = notices;
	fates->has_room = true;
	return fates;
}

void
fates_set_room(struct fates *fates, bool has_room)
{
	fates->has_room = has_room;
}

void
fates_free(struct fates *fates)
{
	IDMAP_EACH(&fates->settling, slot)
	settlement_free(slot->object);
	idmap_fini(&fates->settling);
	free(fates);
}
