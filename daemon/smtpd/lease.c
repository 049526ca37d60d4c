/* lease - a number that goes down, who asks for another one, and a timer. */
#include "daemon/smtpd/lease.h"

#include "common/xalloc.h"
#include "daemon/core/loop.h"

#include <stdlib.h>

struct lease {
	struct timer *over;
	unsigned room;
	uint64_t asks; /* the client whose question is under way; 0: none */
	void (*give_back)(void *ctx);
	void *ctx;
};

bool
lease_take(struct lease *lease)
{
	if (lease->room == 0)
		return false;
	lease->room--;
	return true;
}

bool
lease_ask(struct lease *lease, uint64_t client)
{
	if (lease->room > 0 || lease->asks != 0)
		return false;
	lease->asks = client;
	return true;
}

void
lease_on_answer(struct lease *lease, uint64_t client, unsigned room)
{
	if (lease->asks != client)
		return;
	lease->asks = 0;
	lease->room = room;
	if (room > 0)
		timer_set(lease->over, LEASE_MS);
}

void
lease_on_no_answer(struct lease *lease, uint64_t client)
{
	if (lease->asks != client)
		return;
	lease->asks = 0;
	lease->give_back(lease->ctx);
}

void
lease_end(struct lease *lease)
{
	if (lease->room == 0)
		return;
	lease->room = 0;
	lease->give_back(lease->ctx);
}

void
lease_forget(struct lease *lease)
{
	lease->room = 0;
	lease->asks = 0;
}

static void
on_over(void *ctx)
{
	lease_end(ctx);
}

struct lease *
lease_new(struct loop *loop, void (*give_back)(void *ctx), void *ctx)
{
	struct lease *lease = xcalloc(1, sizeof(*lease));

	lease->over = timer_new(loop, on_over, lease);
	lease->give_back = give_back;
	lease->ctx = ctx;
	return lease;
}

void
lease_free(struct lease *lease)
{
	timer_free(lease->over);
	free(lease);
}
