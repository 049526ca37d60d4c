/* Command lines as smtpd reads them: line, verb, keyword, path, parameters. */
#include "common/mailaddr.h"
#include "common/smtp_line.h"
#include "common/smtp_parameters.h"
#include "common/smtp_verb.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

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
	(void)smtp_parameters_parse_mail(verb->argument, verb->argument_length, &parameters, &err);
	(void)smtp_parameters_parse_rcpt(
	    verb->argument, verb->argument_length, parameters.is_smtputf8, &rcpt, &err);
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
