/* Paths of MAIL and RCPT: what is taken has a normal form that is taken again and stays. */
#include "common/mailaddr.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
check_normal_form(const struct mailaddr *address)
{
	struct mailaddr again;

	ensure(strlen(address->text) < MAILADDR_SIZE);
	ensure(address->local_length <= MAILADDR_LOCAL_MAX);
	if (mailaddr_is_null(address) || mailaddr_domain(address)[0] == '\0')
		return;
	ensure(mailaddr_parse(address->text, strlen(address->text), &again, NULL) == MAILADDR_OK);
	ensure(strcmp(again.text, address->text) == 0);
	ensure(again.local_length == address->local_length);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const enum mailaddr_path paths[] = {MAILADDR_REVERSE, MAILADDR_FORWARD};
	struct mailaddr address;
	struct err err;
	size_t used;

	for (size_t i = 0; i < 2; i++) {
		if (mailaddr_parse_path(
			(const char *)bytes, size, paths[i], &address, &used, &err) != MAILADDR_OK)
			continue;
		ensure(used <= size);
		check_normal_form(&address);
	}
	return 0;
}
