/* report - the memory between an attempt's end and its fate on disk. */
#include "daemon/relay/report.h"

#include "common/list.h"
#include "common/xalloc.h"
#include "daemon/config/reply_rules.h"
#include "daemon/core/values.h"

#include <stdlib.h>
#include <string.h>

struct report {
	struct list link;
	struct msg_report message; /* its texts and fates are copies */
};

struct reports {
	struct list kept; /* oldest first */
	struct link *link;
};

struct reports *
reports_new(void)
{
	struct reports *reports = xcalloc(1, sizeof(*reports));

	list_init(&reports->kept);
	return reports;
}

static void
free_report(struct report *report)
{
	struct msg_report *message = &report->message;

	list_remove(&report->link);
	free((void *)(uintptr_t)message->fates.at);
	free((void *)(uintptr_t)message->enhanced);
	free((void *)(uintptr_t)message->reason);
	free((void *)(uintptr_t)message->rule);
	free((void *)(uintptr_t)message->upstream);
	free((void *)(uintptr_t)message->tls);
	free((void *)(uintptr_t)message->transcript);
	free(report);
}

void
reports_free(struct reports *reports)
{
	LIST_EACH_SAFE (&reports->kept, at, next)
		free_report(LIST_ENTRY(at, struct report, link));
	free(reports);
}

void
reports_set_link(struct reports *reports, struct link *link)
{
	reports->link = link;
}

static const char *
copy_text(const char *text, size_t limit)
{
	return text != NULL ? xstrndup(text, limit) : xstrdup("");
}

static struct msg_list
copy_fates(const struct msg_list_builder *fates)
{
	struct msg_list copy = message_list_value(fates);
	uint8_t *at = xmalloc(copy.size + 1);

	if (copy.size > 0)
		memcpy(at, copy.at, copy.size);
	copy.at = at;
	return copy;
}

void
reports_add(
    struct reports *reports, const struct msg_report *from, const struct msg_list_builder *fates)
{
	struct report *report = xmalloc(sizeof(*report));

	report->message = *from;
	report->message.fates = copy_fates(fates);
	report->message.enhanced = copy_text(from->enhanced, 15);
	report->message.reason = copy_text(from->reason, 1000);
	report->message.rule = copy_text(from->rule, REPLY_RULE_ID_SIZE - 1);
	report->message.upstream = copy_text(from->upstream, 319);
	report->message.tls = copy_text(from->tls, 63);
	report->message.transcript = copy_text(from->transcript, TRANSCRIPT_BYTES);
	list_append(&reports->kept, &report->link);
	if (reports->link != NULL)
		link_send(reports->link, MSG_REPORT, &report->message);
}

void
reports_acknowledge(struct reports *reports, uint64_t attempt)
{
	/* Mostly the oldest. */
	LIST_EACH (&reports->kept, at) {
		struct report *report = LIST_ENTRY(at, struct report, link);

		if (report->message.attempt != attempt)
			continue;
		free_report(report);
		return;
	}
}

void
reports_list(const struct reports *reports, struct msg_list_builder *attempts)
{
	LIST_EACH ((struct list *)(uintptr_t)&reports->kept, at) {
		const struct report *report = LIST_ENTRY(at, struct report, link);
		struct rec_attempt attempt = {
		    .message_id = report->message.message_id,
		    .attempt = report->message.attempt,
		};

		message_list_add(attempts, REC_ATTEMPT, &attempt);
	}
}

void
reports_send_all(struct reports *reports)
{
	LIST_EACH (&reports->kept, at)
		link_send(reports->link, MSG_REPORT, &LIST_ENTRY(at, struct report, link)->message);
}

bool
reports_is_empty(const struct reports *reports)
{
	return list_is_empty(&reports->kept);
}
