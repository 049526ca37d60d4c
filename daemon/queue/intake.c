/* intake - gives ids to the smtpds, takes their messages' pieces, answers COMMIT. */
#include "daemon/queue/intake.h"

#include "common/format.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/queue/intake_private.h"

#include <stdlib.h>

#define OWN_IDS 0xffffffffu
#define STREAMS_MIN 100

/* ---- ids ---- */

static void
send_intake(struct intake *intake, struct smtpd *smtpd, uint64_t first_id)
{
	struct msg_intake message = {.state = (uint8_t)intake->state,
	    .first_id = first_id,
	    .count = first_id == 0 ? 0 : IDS_BLOCK};

	link_send(smtpd->link, MSG_INTAKE, &message);
}

static void
give_ids(struct intake *intake, struct smtpd *smtpd)
{
	uint64_t first = ids_take_block(intake->ids, smtpd->owner);

	smtpd->wants_ids = first == 0;
	if (first == 0)
		return;
	smtpd->first_id = first;
	send_intake(intake, smtpd, first);
}

static void
on_more_ids(void *ctx)
{
	struct intake *intake = ctx;

	for (unsigned i = 0; i < SMTPDS_MAX; i++)
		if (intake->smtpds[i].link != NULL && intake->smtpds[i].wants_ids)
			give_ids(intake, &intake->smtpds[i]);
}

/* A message in the second half of the newest block: time for the next one. */
static void
note_use(struct intake *intake, struct smtpd *smtpd, uint64_t id)
{
	if (id >= smtpd->first_id + IDS_BLOCK / 2 && id < smtpd->first_id + IDS_BLOCK &&
	    !smtpd->wants_ids)
		give_ids(intake, smtpd);
}

uint64_t
intake_take_id(struct intake *intake)
{
	if (intake->own_next == intake->own_first + IDS_BLOCK || intake->own_first == 0) {
		intake->own_first = ids_take_block(intake->ids, OWN_IDS);
		intake->own_next = intake->own_first;
	}
	return intake->own_first == 0 ? 0 : intake->own_next++;
}

/* ---- pieces ---- */

/* A peer that breaks the contract is out of its mind, or not ours any more. */
static void
fail_link(struct smtpd *smtpd, const char *what)
{
	if (smtpd->link == NULL)
		return;
	log_problem(
	    LOG_ERROR, "smtpd %u %s: its link is ended", link_peer_index(smtpd->link), what);
	link_fail(smtpd->link, what);
}

/* NULL: the id can't be used. */
static struct partial *
begin_partial(struct intake *intake, struct smtpd *smtpd, uint64_t id)
{
	struct partial *partial;

	switch (ids_use(intake->ids, id, smtpd->owner)) {
	case IDS_FIRST:
		break;
	case IDS_AGAIN:
		fail_link(smtpd, "used an id again");
		return NULL;
	case IDS_FOREIGN:
		fail_link(smtpd, "used an id that it was not given");
		return NULL;
	case IDS_CLOSED:
		return NULL;
	}
	if (smtpd->stream_count >= intake->stream_limit) {
		fail_link(smtpd, "has more messages open than it can have clients");
		return NULL;
	}
	smtpd->stream_count++;
	partial = xcalloc(1, sizeof(*partial));
	partial->intake = intake;
	partial->from = smtpd;
	partial->owner = smtpd->owner;
	partial->id = id;
	idmap_put(&intake->partials, id, partial);
	note_use(intake, smtpd, id);
	return partial;
}

static struct smtpd *
smtpd_of(struct intake *intake, const struct link *link)
{
	return &intake->smtpds[link_peer_index(link) % SMTPDS_MAX];
}

/* The smtpd's message of that id, or NULL. */
static struct partial *
find_partial(struct intake *intake, struct link *link, uint64_t id)
{
	struct partial *partial = idmap_get(&intake->partials, id);

	return partial != NULL && partial_link(partial) == link ? partial : NULL;
}

void
intake_body(struct intake *intake, struct link *link, const struct link_message *message)
{
	const struct msg_body *body = &message->body->body;
	struct partial *partial = find_partial(intake, link, body->stream);

	if (partial == NULL)
		partial = begin_partial(intake, smtpd_of(intake, link), body->stream);
	if (partial != NULL && body->bytes.size > 0 &&
	    !partial_add(partial, link_message_slice(message, body->bytes)))
		fail_link(smtpd_of(intake, link), "sent more than it had credit for");
}

/* Its COMMIT has come, or never will. */
static void
close_stream(struct intake *intake, struct partial *partial)
{
	(void)idmap_remove(&intake->partials, partial->id);
	partial->from->stream_count--;
}

/* ---- commit ---- */

static void
answer(struct partial *partial, enum commit_outcome outcome)
{
	struct msg_committed committed = {.message_id = partial->id, .outcome = (uint8_t)outcome};

	if (partial_link(partial) != NULL)
		link_answer(partial_link(partial), partial->request_id, MSG_COMMITTED, &committed);
}

static enum commit_outcome
refusal(enum job_outcome outcome)
{
	return outcome == JOB_DISK_FULL ? COMMIT_DISK_FULL : COMMIT_FAILED;
}

static void
on_inserted(struct job *job)
{
	struct partial *partial = job->ctx;
	struct intake *intake = partial->intake;

	if (job->outcome != JOB_DONE) {
		caps_give_back(intake->caps, &partial->charge);
		answer(partial, refusal(job->outcome));
		/* Of a commit that failed nobody knows whether it is on disk: the sweep of the
		 * next start decides about the file. */
		if (job->outcome == JOB_LATE)
			log_problem(LOG_WARNING, "a message came too late to be stored: its client "
						 "has heard that it was not");
		if (job->outcome == JOB_FAILED)
			partial->is_in_file = false;
		partial_discard(partial);
		return;
	}
	answer(partial, COMMIT_STORED);
	intake->on_stored(partial->mail, partial->slices, partial->slice_count, intake->ctx);
	partial->mail = NULL;
	partial_free(partial);
}

/* Which way it goes may follow from its sender, over its limit from its user alone. */
static void
choose_flow(struct partial *partial)
{
	struct mail *mail = partial->mail;
	struct routes *routes = partial->intake->routes;
	uint64_t flow_id = routes_flow_of(routes, mail->user_id,
	    partial->from_address == NULL ? "" : partial->from_address, mail->sender);

	if (mail->state == MAIL_LIMITED || flow_id == mail->user_id)
		return;
	mail->user_id = flow_id;
	(void)routes_adopt(routes, flow_id, mail->login, mail->list);
}

static void
insert(struct partial *partial)
{
	const struct profile *profile;

	choose_flow(partial);
	profile = routes_of_user(partial->intake->routes, partial->mail->user_id);
	partial->mail->body_file = partial->is_in_file ? partial->body.name : 0;
	partial->insert = (struct insert_job){
	    .job = {.on_done = on_inserted, .ctx = partial, .urgency = JOB_WRITES},
	    .mail = partial->mail,
	    .charge = partial->charge,
	    .expires_at_ms = partial->expires_at_ms,
	    .slices = partial->slices,
	    .slice_count = partial->is_in_file ? 0 : partial->slice_count,
	};
	(void)format_text(partial->insert.profile, sizeof(partial->insert.profile), "%s",
	    profile == NULL ? "" : profile->name);
	storage_post(partial->intake->storage, STORE_INSERT, &partial->insert.job);
}

static void
on_synced(struct job *job)
{
	struct partial *partial = job->ctx;

	if (partial->outcome == JOB_DONE)
		partial->outcome = job->outcome;
	if (partial->outcome == JOB_DONE) {
		insert(partial);
		return;
	}
	caps_give_back(partial->intake->caps, &partial->charge);
	answer(partial, refusal(partial->outcome));
	partial_discard(partial);
}

static void
sync_file(struct partial *partial)
{
	partial->file = (struct bodyfile_job){.job = {.on_done = on_synced, .ctx = partial},
	    .file = &partial->body,
	    .offset = partial->size};
	partial_write_gathered(partial);
	storage_post_file(partial->intake->storage, BODYFILE_SYNC, &partial->file);
}

/* Whether its user may send it. Over the limit nothing is stored, or it is stored to wait. */
static void
judge(struct partial *partial)
{
	enum caps_verdict verdict =
	    caps_judge(partial->intake->caps, partial->mail, &partial->charge);

	if (verdict == CAPS_REFUSE) {
		answer(partial, COMMIT_LIMITED);
		partial_discard(partial);
		return;
	}
	if (verdict == CAPS_HOLD) {
		partial->mail->state = MAIL_LIMITED;
		partial->mail->next_at_ms = 0;
	}
	if (partial->is_in_file)
		sync_file(partial);
	else
		insert(partial);
}

void
intake_on_caps_ready(struct intake *intake)
{
	struct list *first;

	while ((first = list_take_first(&intake->unjudged)) != NULL)
		judge(LIST_ENTRY(first, struct partial, link));
}

static bool
is_sound(const struct partial *partial, const struct msg_commit *commit)
{
	return commit->size == partial->size && commit->recipients.count > 0 &&
	       commit->user_id != 0 && commit->user_id <= FLOW_USER_MAX && commit->priority >= 1 &&
	       commit->priority <= 5;
}

void
intake_commit(struct intake *intake, struct link *link, const struct link_message *message)
{
	const struct msg_commit *commit = &message->body->commit;
	struct partial *partial = find_partial(intake, link, commit->message_id);
	struct msg_committed refused = {.message_id = commit->message_id, .outcome = COMMIT_FAILED};
	struct mail *mail = NULL;

	if (partial == NULL)
		partial = begin_partial(intake, smtpd_of(intake, link), commit->message_id);
	if (partial != NULL && is_sound(partial, commit))
		mail = mail_from_commit(commit, loop_wall_ms(intake->loop));
	if (mail == NULL) {
		log_problem(LOG_ERROR, "an smtpd committed what it did not send");
		link_answer(link, message->request_id, MSG_COMMITTED, &refused);
		if (partial != NULL)
			intake_abort(intake, link, commit->message_id);
		return;
	}
	close_stream(intake, partial);
	partial->request_id = message->request_id;
	partial->mail = mail;
	partial->from_address = xstrdup(commit->from_address);
	partial->expires_at_ms = commit->expires_at_ms;
	if (intake->commit_count >= intake->stream_limit) {
		answer(partial, COMMIT_FAILED);
		partial_discard(partial);
		return;
	}
	partial->is_committing = true;
	intake->commit_count++;
	if (caps_are_ready(intake->caps))
		judge(partial);
	else
		list_append(&intake->unjudged, &partial->link);
}

void
intake_abort(struct intake *intake, struct link *link, uint64_t stream)
{
	struct partial *partial = find_partial(intake, link, stream);

	if (partial == NULL) {
		/* It had sent nothing yet: no other message may have this id. */
		(void)ids_use(intake->ids, stream, smtpd_of(intake, link)->owner);
		return;
	}
	close_stream(intake, partial);
	partial_discard(partial);
}

/* ---- links ---- */

/* Twice the clients: a reload reaches smtpds before or after us, and one client's message may still
 * be on its way out while the next one's comes. */
void
intake_set_clients(struct intake *intake, unsigned clients)
{
	uint32_t limit = 2 * clients + STREAMS_MIN;

	if (limit > intake->stream_limit)
		intake->stream_limit = limit;
}

void
intake_add_link(struct intake *intake, struct link *link)
{
	struct smtpd *smtpd = smtpd_of(intake, link);

	*smtpd = (struct smtpd){.link = link, .owner = ++intake->last_owner};
	/* Its clients wait for an answer, and relay, once woken, may take this process's core. */
	link_set_first(link);
	send_intake(intake, smtpd, 0);
	give_ids(intake, smtpd);
}

void
intake_drop_link(struct intake *intake, struct link *link)
{
	struct smtpd *smtpd = smtpd_of(intake, link);
	struct partial **lost;
	size_t count = 0;

	if (smtpd->link != link)
		return;
	lost = xcalloc(intake->partials.count + 1, sizeof(struct partial *));
	IDMAP_EACH(&intake->partials, slot)
	if (partial_link(slot->object) == link)
		lost[count++] = slot->object;
	for (size_t i = 0; i < count; i++) {
		(void)idmap_remove(&intake->partials, lost[i]->id);
		partial_discard(lost[i]);
	}
	free(lost);
	ids_forget_owner(intake->ids, smtpd->owner);
	*smtpd = (struct smtpd){0};
}

void
intake_set_state(struct intake *intake, enum intake_state state)
{
	if (intake->state == state)
		return;
	intake->state = state;
	for (unsigned i = 0; i < SMTPDS_MAX; i++)
		if (intake->smtpds[i].link != NULL)
			send_intake(intake, &intake->smtpds[i], 0);
}

struct intake *
intake_new(struct loop *loop, struct storage *storage, struct caps *caps, struct routes *routes,
    intake_stored_fn on_stored, void *ctx)
{
	struct intake *intake = xcalloc(1, sizeof(*intake));

	intake->loop = loop;
	intake->storage = storage;
	intake->caps = caps;
	intake->routes = routes;
	list_init(&intake->unjudged);
	intake->on_stored = on_stored;
	intake->ctx = ctx;
	intake->ids = ids_new(storage, on_more_ids, intake);
	return intake;
}

void
intake_free(struct intake *intake)
{
	struct list *first;

	while ((first = list_take_first(&intake->unjudged)) != NULL)
		partial_free(LIST_ENTRY(first, struct partial, link));
	IDMAP_EACH(&intake->partials, slot)
	partial_free(slot->object);
	idmap_fini(&intake->partials);
	ids_free(intake->ids);
	free(intake);
}
