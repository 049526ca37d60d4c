/*
 * aging_warning - one message that is late: read, its sender told of the recipients that wait, both in
 * one commit, unless an attempt has ended meanwhile.
 */
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/queue/aging_private.h"
#include "daemon/queue/telling.h"

#include <stdlib.h>

struct warning {
	struct age_job age; /* first: what on_done gets */
	struct aging *aging;
	uint64_t message_id;
	struct load_job load;
	struct dsn_recipient *told;
	char why[TELLING_WHY_SIZE];
	struct notice_order order;
};

static void
end(struct warning *warning)
{
	warning->aging->warnings--;
	notice_fini(&warning->age.notice);
	free(warning->load.mail_out);
	free(warning->told);
	free(warning);
}

static void
log_warning(const struct warning *warning)
{
	const struct mail *mail = warning->load.mail_out;
	struct log_line line;

	if (!log_begin(&line, LOG_INFO, EVENT_DELAYED, mail->id))
		return;
	log_text(&line, KEY_USER, mail->login);
	log_text(&line, KEY_LIST, mail->list);
	log_mailbox(&line, KEY_FROM, mail->sender);
	log_number(&line, KEY_RECIPIENTS, warning->order.told_count);
	log_end(&line);
}

static void
on_aged(struct job *job)
{
	struct warning *warning = (struct warning *)(void *)job;
	struct notice *notice = &warning->age.notice;

	if (job->outcome == JOB_DONE && warning->age.is_done_out && notice->mail != NULL) {
		log_warning(warning);
		scheduler_add(
		    warning->aging->scheduler, notice->mail, notice->slices, notice->slice_count);
		notice->mail = NULL;
	}
	end(warning);
}

static void
post_age(struct warning *warning)
{
	warning->age.job.on_done = on_aged;
	warning->age.job.urgency = JOB_WRITES_LAZILY;
	warning->age.ids = &warning->message_id;
	warning->age.count = 1;
	warning->age.age = AGE_DELAYED;
	storage_post(warning->aging->storage, STORE_AGE, &warning->age.job);
}

static void
on_made(struct notice_order *order)
{
	post_age(order->owner);
}

static void
list_told(struct warning *warning)
{
	const struct mail *mail = warning->load.mail_out;
	struct telling telling = {.config = warning->aging->role->config,
	    .routes = scheduler_routes(warning->aging->scheduler),
	    .mail = mail};

	warning->told = xcalloc(mail->recipient_count + 1, sizeof(*warning->told));
	for (uint32_t i = 0; i < mail->recipient_count; i++) {
		const struct recipient *recipient = &mail->recipients[i];

		if (telling_of_delay(&telling, recipient) == DSN_NONE)
			continue;
		warning->told[warning->order.told_count++] =
		    (struct dsn_recipient){.address = recipient->address,
			.orcpt = recipient->orcpt,
			.enhanced = recipient->enhanced,
			.reply = recipient->reply,
			.upstream = "",
			.code = recipient->code,
			.action = DSN_DELAYED};
	}
}

static void
on_loaded(struct job *job)
{
	struct warning *warning = job->ctx;
	struct aging *aging = warning->aging;
	const struct mail *mail = warning->load.mail_out;

	/* It may have gone, or been held, since it was found. */
	if (job->outcome != JOB_DONE || mail == NULL || mail->age != AGE_FRESH ||
	    (mail->state != MAIL_WAITING && mail->state != MAIL_UNCERTAIN)) {
		end(warning);
		return;
	}
	list_told(warning);
	warning->age.last_attempt = mail->last_attempt;
	telling_explain(routes_of_user(scheduler_routes(aging->scheduler), mail->user_id),
	    loop_wall_ms(aging->role->loop), warning->why);
	warning->order.mail = mail;
	warning->order.told = warning->told;
	warning->order.why = warning->why;
	warning->order.notice = &warning->age.notice;
	warning->order.owner = warning;
	warning->order.on_made = on_made;
	if (warning->order.told_count == 0 || notices_make(aging->notices, &warning->order))
		post_age(warning);
}

void
aging_warn(struct aging *aging, uint64_t message_id)
{
	const struct entry *entry = scheduler_find(aging->scheduler, message_id);
	struct warning *warning;

	if (entry != NULL && entry->state != ENTRY_READY)
		return;
	warning = xcalloc(1, sizeof(*warning));
	warning->aging = aging;
	warning->message_id = message_id;
	warning->load =
	    (struct load_job){.job = {.on_done = on_loaded, .ctx = warning, .urgency = JOB_READS},
		.message_id = message_id};
	aging->warnings++;
	storage_post(aging->storage, STORE_LOAD, &warning->load.job);
}
