/*
 * replay - main() for fuzz targets without a fuzzer: feeds them the corpus
 *
 * Arguments are files and directories; without any it is the target's own corpus, for a program
 * called fuzz_NAME $srcdir/tests/fuzz/corpus/NAME and what the build made, fuzz-seeds/NAME; one of
 * them must be there. Of a small file each prefix is fed as well: whatever a peer can cut off is cut
 * off here.
 */
#include "common/buf.h"
#include "common/xalloc.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIXES_MAX 2048

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static unsigned file_count;

/* In memory of exactly this size, so that a sanitizer sees one octet too many. */
static void
feed(const char *bytes, size_t size)
{
	uint8_t *copy = xmalloc(size);

	if (size > 0)
		memcpy(copy, bytes, size);
	(void)LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void
replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	char piece[4096];
	struct buf content;
	size_t got;

	if (file == NULL) {
		perror(path);
		exit(1);
	}
	buf_init(&content);
	while ((got = fread(piece, 1, sizeof(piece), file)) > 0)
		buf_append(&content, piece, got);
	fclose(file);
	for (size_t size = 0; size < content.size && size < PREFIXES_MAX; size++)
		feed(content.bytes, size);
	feed(content.bytes, content.size);
	buf_fini(&content);
	file_count++;
}

static void
replay_directory(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, alphasort);

	if (count < 0) {
		perror(path);
		exit(1);
	}
	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.') {
			char *file = xasprintf("%s/%s", path, entries[i]->d_name);

			replay_file(file);
			free(file);
		}
		free(entries[i]);
	}
	free(entries);
}

static void
replay(const char *path)
{
	struct stat status;

	if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		replay_directory(path);
	else
		replay_file(path);
}

static void
replay_own(const char *program)
{
	const char *source = getenv("srcdir");
	const char *name = strrchr(program, '/');
	char *kept, *made;

	name = name != NULL ? name + 1 : program;
	if (strncmp(name, "fuzz_", 5) == 0)
		name += 5;
	kept = xasprintf("%s/tests/fuzz/corpus/%s", source != NULL ? source : ".", name);
	made = xasprintf("fuzz-seeds/%s", name);
	if (access(kept, F_OK) == 0)
		replay(kept);
	if (access(made, F_OK) == 0)
		replay(made);
	free(kept);
	free(made);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	if (argc < 2)
		replay_own(argv[0]);
	printf("%u files\n", file_count);
	return file_count > 0 ? 0 : 1;
}
