/* base64_buf - common/base64 with a growing text on one side and a limit on the other. */
#include "daemon/accounts/base64_buf.h"

#include "common/base64.h"
#include "common/xalloc.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

void
base64_append(struct buf *out, const uint8_t *bytes, size_t size)
{
	char *text = xmalloc(BASE64_TEXT_SIZE(size));
	size_t length = base64_encode(bytes, size, text);

	buf_append(out, text, length);
	free(text);
}

ssize_t
base64_take(const char *text, size_t length, uint8_t *out, size_t capacity)
{
	size_t room = BASE64_OCTETS_SIZE(length), size;
	uint8_t *bytes = xmalloc(room);
	ssize_t result = -1;

	/* The padding counts as room, so what fits exactly needs a detour. */
	if (base64_decode(text, length, bytes, &size) && size <= capacity) {
		memcpy(out, bytes, size);
		result = (ssize_t)size;
	}
	OPENSSL_cleanse(bytes, room);
	free(bytes);
	return result;
}
