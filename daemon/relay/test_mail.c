/* test_mail - composes it. */
#include "daemon/relay/test_mail.h"

#include "common/clock.h"
#include "common/xalloc.h"
#include "daemon/relay/profile.h"

#include <stdlib.h>
#include <string.h>

/* Queue counts its attempts from 1. */
#define FIRST_ATTEMPT (UINT64_C(1) << 63)

/* Before the profile's envelope sender, which is set as for all mail. */
static const char *
sender_of(const struct test_mail *mail)
{
	const struct profile *profile = mail->profile;

	if (profile->from[0] != '\0')
		return profile->from;
	if (strchr(profile->username, '@') != NULL)
		return profile->username;
	return profile->envelope_sender[0] != '\0' ? profile->envelope_sender : mail->to;
}

/* The caller frees. */
static char *
compose(const struct test_mail *mail)
{
	const struct profile *profile = mail->profile;
	char date[CLOCK_RFC5322_SIZE];

	return xasprintf("From: <%s>\r\nTo: <%s>\r\nSubject: postern test of profile %s\r\n"
			 "Date: %s\r\nMessage-ID: <%lld.test@%s>\r\n\r\n"
			 "This message was sent to test the profile %s.\r\n",
	    sender_of(mail), mail->to, profile->name,
	    clock_rfc5322(mail->wall_ms, date, sizeof(date)), (long long)mail->wall_ms,
	    profile->ehlo_name, profile->name);
}

static bool
has_8bit(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text > 0x7f)
			return true;
	return false;
}

struct delivery *
test_mail_new(struct deliveries *mails, const struct test_mail *mail)
{
	const struct rec_recipient recipient = {.address = mail->to, .orcpt = ""};
	struct msg_list_builder recipients = {0};
	char *text = compose(mail);
	struct msg_deliver message = {
	    .message_id = FIRST_ATTEMPT + mail->number,
	    .attempt = FIRST_ATTEMPT + mail->number,
	    .size = strlen(text),
	    .sender = sender_of(mail),
	    .has_8bit = has_8bit(text),
	};
	struct delivery *delivery;

	message_list_add(&recipients, REC_RECIPIENT, &recipient);
	message.recipients = message_list_value(&recipients);
	delivery = delivery_new_own(mails, &message, text, mail->owner);
	message_list_fini(&recipients);
	free(text);
	return delivery;
}
