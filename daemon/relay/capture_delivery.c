/* capture_delivery - between a delivery and the capture that writes it. */
#include "daemon/relay/capture_delivery.h"

#include "common/ident.h"
#include "common/xalloc.h"
#include "daemon/core/loop.h"
#include "daemon/relay/capture.h"

#include <stdio.h>
#include <unistd.h>

void
capture_delivery_continue(struct delivery *delivery)
{
	struct slice slice;

	while (delivery_take_piece(delivery, UINT32_MAX, &slice)) {
		capture_write(delivery->capture, &slice);
		slice_release(&slice);
	}
	capture_push(delivery->capture, delivery->is_complete);
}

static void
on_written(struct capture *capture, uint32_t bytes, void *ctx)
{
	delivery_give_credit(ctx, bytes);
}

static void
fail(struct delivery *delivery, enum attempt_outcome outcome, const char *reason)
{
	const struct verdict verdict = classify_own(outcome);

	delivery_fail(delivery, &verdict, NULL, reason, NULL);
}

static void
on_done(struct capture *capture, const char *problem, void *ctx)
{
	struct delivery *delivery = ctx;
	struct client_transaction *transaction = &delivery->transaction;

	delivery->capture = NULL;
	if (problem != NULL) {
		fail(delivery, ATTEMPT_UNREACHABLE, problem);
		return;
	}
	transaction->verdict = (struct verdict){.fate = FATE_DELIVERED};
	reply_set(&transaction->reply, 250, "2.0.0", "captured");
	delivery_end(delivery, NULL, true);
}

/* As delivery agents write it (RFC 5321 4.4). */
static char *
make_head(const struct delivery *delivery)
{
	struct buf head;

	buf_init(&head);
	buf_printf(&head, "Return-Path: <%s>\r\n", delivery->transaction.sender);
	for (size_t i = 0; i < delivery->transaction.recipient_count; i++)
		buf_printf(
		    &head, "Delivered-To: %s\r\n", delivery->transaction.recipients[i].address);
	return buf_give(&head);
}

void
capture_delivery_start(
    struct delivery *delivery, struct loop *loop, struct pool *pool, const struct profile *profile)
{
	static const struct capture_callbacks callbacks = {on_written, on_done};
	char name[128], id[IDENT_SIZE];
	struct err err;

	if (capture_check_path(profile->capture, &err) != 0) {
		fail(delivery, ATTEMPT_MISCONFIGURED, err.text);
		return;
	}
	(void)snprintf(name, sizeof(name), "%lld.P%ldA%llu.%s",
	    (long long)(loop_wall_ms(loop) / 1000), (long)getpid(),
	    (unsigned long long)delivery->attempt, ident_format(delivery->message_id, id));
	delivery->begun_at_ms = loop_now_ms(loop);
	delivery->capture =
	    capture_new(pool, profile->capture, name, make_head(delivery), &callbacks, delivery);
	capture_delivery_continue(delivery);
}

void
capture_delivery_stop(struct delivery *delivery)
{
	capture_cancel(delivery->capture);
	delivery->capture = NULL;
}
