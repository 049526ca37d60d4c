/* commit - what queue is told of a message once it has all of its text. */
#include "daemon/smtpd/session_private.h"

#include "daemon/smtpd/priority.h"

static struct msg_list
list_recipients(const struct transaction *transaction, struct msg_list_builder *builder)
{
	for (size_t i = 0; i < transaction->recipient_count; i++) {
		const struct recipient *from = &transaction->recipients[i];
		struct rec_recipient recipient = {.index = (uint16_t)i,
		    .address = from->address,
		    .notify = (uint8_t)from->notify,
		    .orcpt = from->orcpt};

		message_list_add(builder, REC_RECIPIENT, &recipient);
	}
	return message_list_value(builder);
}

_Static_assert((unsigned)SMTP_RET_FULL == RET_FULL && (unsigned)SMTP_RET_HDRS == RET_HDRS &&
		   (unsigned)SMTP_NOTIFY_NEVER == NOTIFY_NEVER &&
		   (unsigned)SMTP_NOTIFY_SUCCESS == NOTIFY_SUCCESS &&
		   (unsigned)SMTP_NOTIFY_FAILURE == NOTIFY_FAILURE &&
		   (unsigned)SMTP_NOTIFY_DELAY == NOTIFY_DELAY,
    "the grammar's numbers are those of the messages");

/* None when the client asked for nothing out of the ordinary. */
static struct msg_list
list_wishes(const struct transaction *transaction, struct msg_list_builder *builder)
{
	const struct smtp_mail_parameters *said = &transaction->wishes;
	int mt_priority = priority_limit_mt(said->mt_priority, transaction->grant->priority_max);
	struct rec_wishes wishes = {.is_smtputf8 = said->is_smtputf8,
	    .has_utf8_header = transaction->has_utf8_header,
	    /* Notices of such a message never have its body (RFC 8689 5). */
	    .ret = said->requires_tls ? RET_HDRS : (uint8_t)said->ret,
	    .envid = said->envid,
	    .has_auth = said->has_auth,
	    .has_mt_priority = said->has_mt_priority,
	    .mt_priority = (uint8_t)(mt_priority + SMTP_PRIORITY_MAX),
	    .hold_until_ms = transaction->hold_until_ms,
	    .requires_tls = said->requires_tls};

	if (wishes.is_smtputf8 || wishes.ret != RET_UNSAID || wishes.envid[0] != '\0' ||
	    wishes.has_auth || wishes.has_mt_priority || wishes.hold_until_ms != 0)
		message_list_add(builder, REC_WISHES, &wishes);
	return message_list_value(builder);
}

void
receive_commit(struct session *session)
{
	struct transaction *transaction = session->transaction;
	struct msg_list_builder recipients = {0}, wishes = {0};
	struct msg_commit message = {
	    .message_id = transaction->id,
	    .user_id = transaction->grant->user_id,
	    .login = transaction->grant->login,
	    .list = transaction->grant->list,
	    .sender = transaction->sender.text,
	    .recipients = list_recipients(transaction, &recipients),
	    .priority = (uint8_t)transaction->priority,
	    .size = transaction->sent_size,
	    .has_8bit = transaction->has_8bit,
	    .header_from = transaction->header_from,
	    .from_address = transaction->from_address,
	    .message_id_header = transaction->message_id,
	    .subject = transaction->subject,
	    .client = session->client,
	    .wishes = list_wishes(transaction, &wishes),
	};

	session_enter(session, STATE_COMMIT);
	session->setup.ports->message_commit(session->setup.ctx, &message);
	message_list_fini(&recipients);
	message_list_fini(&wishes);
}
