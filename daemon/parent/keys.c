/* keys - the seal key and ticket keys. */
#include "daemon/parent/keys.h"

#include "common/err.h"
#include "daemon/core/tls_tickets.h"
#include "daemon/parent/keyfile.h"

#include <openssl/rand.h>
#include <string.h>

#define SEAL_KEY_SIZE 32

static void
append_random(struct buf *out, size_t size)
{
	uint8_t bytes[TICKET_KEY_SIZE];

	ensure(size <= sizeof(bytes) && RAND_bytes(bytes, (int)size) == 1);
	buf_append(out, bytes, size);
	explicit_bzero(bytes, sizeof(bytes));
}

int
keys_seal(const char *state_dir, struct buf *out, struct err *err_out)
{
	struct keyfile_dir dir;
	int result;

	if (keyfile_open_dir(state_dir, &dir, err_out) != 0)
		return -1;
	result = keyfile_read_private(&dir, "seal.key", out, err_out);
	if (result == 1) {
		append_random(out, SEAL_KEY_SIZE);
		result = keyfile_write(&dir, "seal.key", 0600, out->bytes, out->size, err_out);
	}
	if (result == 0 && out->size != SEAL_KEY_SIZE)
		result = err_set(err_out,
		    "%s/seal.key has %zu bytes instead of %d: restore it from a backup, or remove "
		    "it and give all upstream passwords again",
		    state_dir, out->size, SEAL_KEY_SIZE);
	keyfile_close_dir(&dir);
	return result;
}

void
keys_rotate_tickets(struct buf *keys)
{
	struct buf fresh;
	size_t kept = (size_t)(TICKET_KEYS_MAX - 1) * TICKET_KEY_SIZE;

	buf_init(&fresh);
	append_random(&fresh, TICKET_KEY_SIZE);
	if (keys->size > 0)
		buf_append(&fresh, keys->bytes, keys->size < kept ? keys->size : kept);
	if (keys->bytes != NULL)
		explicit_bzero(keys->bytes, keys->capacity);
	buf_fini(keys);
	*keys = fresh;
}
