/* base64 - OpenSSL's encoder, with the sizes made exact. */
#include "daemon/accounts/base64.h"

#include "common/xalloc.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

void
base64_append(struct buf *out, const uint8_t *bytes, size_t size)
{
	size_t capacity = (size + 2) / 3 * 4 + 1;
	char *text = xmalloc(capacity);
	int length = EVP_EncodeBlock((unsigned char *)text, bytes, (int)size);

	buf_append(out, text, (size_t)length);
	free(text);
}

ssize_t
base64_read(const char *text, size_t length, uint8_t *out, size_t capacity)
{
	size_t room = length / 4 * 3, size;
	uint8_t *bytes;
	ssize_t result = -1;

	if (length == 0)
		return 0;
	if (length % 4 != 0 || length > INT_MAX)
		return -1;
	/* EVP_DecodeBlock() writes zeros for the padding, so it needs room for them. */
	bytes = xmalloc(room);
	if (EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)length) == (int)room) {
		size = room - (text[length - 1] == '=') - (text[length - 2] == '=');
		if (size <= capacity) {
			memcpy(out, bytes, size);
			result = (ssize_t)size;
		}
	}
	OPENSSL_cleanse(bytes, room);
	free(bytes);
	return result;
}
