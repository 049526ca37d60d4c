/* refusal - fills what a caller of the API is told. */
#include "daemon/accounts/refusal.h"

#include <stdarg.h>
#include <stdio.h>

int
refuse(struct refusal *refusal_out, unsigned status, const char *code, const char *field,
    const char *format, ...)
{
	va_list args;

	*refusal_out = (struct refusal){.status = status, .code = code};
	(void)snprintf(
	    refusal_out->field, sizeof(refusal_out->field), "%s", field == NULL ? "" : field);
	va_start(args, format);
	(void)vsnprintf(refusal_out->why.text, sizeof(refusal_out->why.text), format, args);
	va_end(args);
	return -1;
}

int
refuse_unavailable(struct refusal *refusal_out, const struct err *why)
{
	return refuse(refusal_out, REFUSED_UNAVAILABLE, "unavailable", NULL, "%s", why->text);
}
