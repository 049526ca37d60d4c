/* Command lines as smtpd reads them: line, verb, keyword, path, parameters. */
#include "common/mailaddr.h"
#include "common/smtp_line.h"
#include "common/smtp_parameters.h"
#include "common/smtp_verb.h"
#include "common/xtext.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* What goes on to queue and relay is what it was checked to be. */
static void
check_mail(const struct smtp_mail_parameters *parameters)
{
	char decoded[SMTP_ENVID_MAX + 1];

	ensure(
	    xtext_decode(parameters->envid, strlen(parameters->envid), decoded, sizeof(decoded)));
	ensure(parameters->mt_priority >= -SMTP_PRIORITY_MAX &&
	       parameters->mt_priority <= SMTP_PRIORITY_MAX);
	ensure(parameters->hold_for_s == 0 || !parameters->has_hold_until);
	/* the years 0 to 9999 */
	ensure(parameters->hold_until_at_ms > INT64_C(-62200000000000) &&
	       parameters->hold_until_at_ms < INT64_C(253500000000000));
}

static void
check_rcpt(const struct smtp_rcpt_parameters *parameters)
{
	ensure(strlen(parameters->orcpt) <= SMTP_ORCPT_MAX);
	ensure(strpbrk(parameters->orcpt, "\r\n\t ") == NULL);
	ensure((parameters->notify & SMTP_NOTIFY_NEVER) == 0 ||
	       parameters->notify == SMTP_NOTIFY_NEVER);
}

static void
parse_mail(struct smtp_verb *verb)
{
	struct smtp_mail_parameters parameters;
	struct smtp_rcpt_parameters rcpt;
	struct mailaddr address;
	struct err err;
	size_t used;

	if (mailaddr_parse_path(verb->argument, verb->argument_length, MAILADDR_REVERSE, &address,
		&used, &err) != MAILADDR_OK)
		return;
	verb->argument += used;
	verb->argument_length -= used;
	if (smtp_parameters_parse_mail(verb->argument, verb->argument_length, &parameters, &err) ==
	    SMTP_PARAMETERS_OK)
		check_mail(&parameters);
	for (int is_smtputf8 = 0; is_smtputf8 < 2; is_smtputf8++)
		if (smtp_parameters_parse_rcpt(verb->argument, verb->argument_length,
			is_smtputf8 != 0, &rcpt, &err) == SMTP_PARAMETERS_OK)
			check_rcpt(&rcpt);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const char *at = (const char *)bytes;
	struct smtp_line line;
	struct smtp_verb verb;

	while (smtp_line_find(at, size, 2048, &line) == SMTP_LINE_COMPLETE) {
		ensure(line.used <= size && line.length + 2 == line.used);
		ensure(memchr(line.bytes, '\r', line.length) == NULL);
		ensure(memchr(line.bytes, '\n', line.length) == NULL);
		if (smtp_verb_split(line.bytes, line.length, &verb) &&
		    smtp_verb_drop_keyword(&verb, "FROM:"))
			parse_mail(&verb);
		at += line.used;
		size -= line.used;
	}
	return 0;
}
