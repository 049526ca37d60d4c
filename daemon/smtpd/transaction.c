/* transaction - what a session remembers between MAIL and the last reply to the message. */
#include "daemon/smtpd/session_private.h"

#include "common/xalloc.h"

#include <stdlib.h>

struct transaction *
transaction_new(const struct mailaddr *sender, const struct smtp_mail_parameters *wishes)
{
	struct transaction *transaction = xcalloc(1, sizeof(*transaction));

	transaction->sender = *sender;
	transaction->wishes = *wishes;
	return transaction;
}

/* The array doubles, so that adding stays cheap; its length is limits.recipients at the most. */
void
transaction_add_recipient(struct transaction *transaction, const char *address,
    const struct smtp_rcpt_parameters *parameters)
{
	size_t count = transaction->recipient_count;

	if ((count & (count - 1)) == 0)
		transaction->recipients = xrealloc(transaction->recipients,
		    count == 0 ? 1 : count * 2, sizeof(*transaction->recipients));
	transaction->recipients[transaction->recipient_count++] =
	    (struct recipient){.address = xstrdup(address),
		.orcpt = xstrdup(parameters->orcpt),
		.notify = parameters->notify};
}

void
transaction_free(struct transaction *transaction)
{
	if (transaction == NULL)
		return;
	for (size_t i = 0; i < transaction->recipient_count; i++) {
		free(transaction->recipients[i].address);
		free(transaction->recipients[i].orcpt);
	}
	free(transaction->recipients);
	grant_release(transaction->grant);
	buf_fini(&transaction->header);
	chunk_release(transaction->unsent);
	free(transaction->header_from);
	free(transaction->from_address);
	free(transaction->message_id);
	free(transaction->subject);
	free(transaction);
}

void
session_abandon_transaction(struct session *session)
{
	struct transaction *transaction = session->transaction;

	if (transaction == NULL)
		return;
	if (transaction->is_open)
		session->setup.ports->message_abort(session->setup.ctx);
	session->transaction = NULL;
	transaction_free(transaction);
}
