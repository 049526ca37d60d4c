/* stars - over secrets in foreign text. */
#include "daemon/relay/stars.h"

#include <string.h>

#define WORD_MIN 4

void
stars_over(char *text, const void *word, size_t size)
{
	char *end = text + strlen(text);

	if (size < WORD_MIN)
		return;
	for (; (text = memmem(text, (size_t)(end - text), word, size)) != NULL; text += size)
		memset(text, '*', size);
}
