/* err - error texts and the check that stays in release builds. */
#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
err_write(struct err *err_out, const char *format, ...)
{
	va_list args;

	if (err_out == NULL)
		return;
	va_start(args, format);
	(void)vsnprintf(err_out->text, sizeof(err_out->text), format, args);
	va_end(args);
}

void
ensure_failed(const char *condition, const char *file, int line)
{
	(void)fprintf(stderr, "<2>event=bug reason=\"%s\" at=%s:%d\n", condition, file, line);
	abort();
}
