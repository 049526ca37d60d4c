/* err - error texts and the check that stays in release builds. */
#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* What is quoted in the text may have come from anywhere; it is printed as it is. */
static void
keep_one_line(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

void
err_write(struct err *err_out, const char *format, ...)
{
	va_list args;

	if (err_out == NULL)
		return;
	va_start(args, format);
	(void)vsnprintf(err_out->text, sizeof(err_out->text), format, args);
	va_end(args);
	keep_one_line(err_out->text);
}

void
ensure_failed(const char *condition, const char *file, int line)
{
	(void)fprintf(stderr, "<2>event=bug reason=\"%s\" at=%s:%d\n", condition, file, line);
	abort();
}
