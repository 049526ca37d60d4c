/* Records of the journal: what can be read is written as it was read, and nothing is read beyond its
 * end. */
#include "daemon/queue/journal.h"

#include "common/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Appends what is read; false: it is no record. */
static bool
rewrite(const void *bytes, size_t size, struct buf *out)
{
	struct journal_record record;
	struct journal_row row;
	uint32_t rows = 0, count;

	if (!journal_read(bytes, size, &record))
		return false;
	count = record.row_count;
	journal_write(out, &record);
	for (; journal_next_row(&record, &row); rows++)
		journal_add_row(out, record.kind, &row);
	return rows == count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct buf once = {0}, twice = {0};

	if (rewrite(bytes, size, &once)) {
		ensure(rewrite(once.bytes, once.size, &twice));
		ensure(once.size == twice.size && memcmp(once.bytes, twice.bytes, once.size) == 0);
	}
	buf_fini(&once);
	buf_fini(&twice);
	return 0;
}
