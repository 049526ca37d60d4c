/* fate_notice - orders the notice of a settlement. */
#include "common/xalloc.h"
#include "daemon/queue/fate_private.h"

static struct dsn_recipient *
list_told(const struct settlement *settlement, const struct mail *mail, int64_t now_ms)
{
	struct dsn_recipient *told = xcalloc(settlement->told_count + 1, sizeof(*told));
	size_t count = 0;

	for (uint32_t i = 0; i < settlement->job.row_count; i++) {
		const struct fate_row *row = &settlement->job.rows[i];
		const struct recipient *recipient = mail_recipient(mail, row->index);

		if (settlement->actions[i] == DSN_NONE || recipient == NULL)
			continue;
		told[count++] = (struct dsn_recipient){.address = recipient->address,
		    .orcpt = recipient->orcpt,
		    .enhanced = row->enhanced,
		    .reply = row->reply,
		    .upstream = settlement->upstream,
		    .code = row->code,
		    .attempted_at_ms = settlement->is_overdue ? 0 : now_ms,
		    .is_expired = settlement->is_expired[i],
		    .action = settlement->actions[i]};
	}
	return told;
}

static void
on_made(struct notice_order *order)
{
	fate_post(order->owner);
}

bool
fate_make_notice(struct settlement *settlement, const struct entry *entry)
{
	struct fates *fates = settlement->fates;

	settlement->told = list_told(settlement, entry->mail, loop_wall_ms(fates->role->loop));
	settlement->order = (struct notice_order){.mail = entry->mail,
	    .slices = entry->slices,
	    .slice_count = entry->slice_count,
	    .told = settlement->told,
	    .told_count = settlement->told_count,
	    .notice = &settlement->job.notice,
	    .owner = settlement,
	    .on_made = on_made};
	return notices_make(fates->notices, &settlement->order);
}
