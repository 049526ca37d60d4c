/* powervfs - files as byte arrays, a record of what was done to them, and the loss of it. */
#include "tests/lib/powervfs.h"

#include "common/xalloc.h"

#include <assert.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 256
#define SECTOR_BYTES 512
/* Of 32 KiB each: an index of some 130,000 frames. */
#define SHM_PAGES_MAX 32

/* ---- bytes ---- */

struct image {
	unsigned char *bytes;
	size_t size, capacity;
	bool exists;
};

static void
image_resize(struct image *image, size_t size)
{
	if (size > image->capacity) {
		image->capacity = size * 2;
		image->bytes = xrealloc(image->bytes, image->capacity, 1);
	}
	if (size > image->size)
		memset(image->bytes + image->size, 0, size - image->size);
	image->size = size;
}

static void
image_write(struct image *image, const unsigned char *bytes, size_t size, size_t at)
{
	if (at + size > image->size)
		image_resize(image, at + size);
	memcpy(image->bytes + at, bytes, size);
	image->exists = true;
}

static void
image_copy(struct image *to, const struct image *from)
{
	to->size = 0;
	image_resize(to, from->size);
	if (from->size > 0)
		memcpy(to->bytes, from->bytes, from->size);
	to->exists = from->exists;
}

/* ---- files and what was done to them ---- */

enum event_kind { EVENT_WRITE, EVENT_TRUNCATE, EVENT_REMOVE, EVENT_SYNC, EVENT_SYNC_DIRECTORY };

struct event {
	enum event_kind kind;
	unsigned file;
	size_t at, size; /* truncate: size */
	unsigned char *bytes;
	bool is_durable; /* its file was flushed behind it */
};

static struct {
	struct named {
		char name[128];
		struct image live, durable;
	} files[FILES_MAX];
	unsigned file_count;
	struct event *events;
	unsigned event_count, event_capacity;
	unsigned passed; /* of the events, since power_rewind() */
	bool is_recording;
} world;

static void
record(enum event_kind kind, unsigned file, const void *bytes, size_t size, size_t at)
{
	struct event *event;

	if (!world.is_recording)
		return;
	if (world.event_count == world.event_capacity) {
		world.event_capacity = world.event_capacity * 2 + 256;
		world.events = xrealloc(world.events, world.event_capacity, sizeof(*world.events));
	}
	event = &world.events[world.event_count++];
	*event = (struct event){.kind = kind, .file = file, .at = at, .size = size};
	if (bytes == NULL)
		return;
	event->bytes = xmalloc(size);
	memcpy(event->bytes, bytes, size);
}

static void
forget_events(void)
{
	for (unsigned i = 0; i < world.event_count; i++)
		free(world.events[i].bytes);
	world.event_count = world.passed = 0;
}

static unsigned
find_file(const char *name)
{
	for (unsigned i = 0; i < world.file_count; i++)
		if (strcmp(world.files[i].name, name) == 0)
			return i;
	assert(world.file_count < FILES_MAX);
	(void)snprintf(world.files[world.file_count].name, sizeof(world.files[0].name), "%s", name);
	return world.file_count++;
}

/* ---- the VFS ---- */

struct power_file {
	sqlite3_file base;
	unsigned which;
	bool is_new_log; /* its first flush is its directory's too, as SQLite's own VFS has it */
	void *shm[SHM_PAGES_MAX];
};

static struct named *
named_of(sqlite3_file *file)
{
	return &world.files[((struct power_file *)(void *)file)->which];
}

static int
power_close(sqlite3_file *file)
{
	return SQLITE_OK;
}

static int
power_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 at)
{
	const struct image *live = &named_of(file)->live;
	size_t left = (size_t)at < live->size ? live->size - (size_t)at : 0;
	size_t got = left < (size_t)size ? left : (size_t)size;

	if (got > 0)
		memcpy(bytes, live->bytes + at, got);
	memset((char *)bytes + got, 0, (size_t)size - got);
	return got == (size_t)size ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int
power_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 at)
{
	image_write(&named_of(file)->live, bytes, (size_t)size, (size_t)at);
	record(EVENT_WRITE, ((struct power_file *)(void *)file)->which, bytes, (size_t)size,
	    (size_t)at);
	return SQLITE_OK;
}

static int
power_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	image_resize(&named_of(file)->live, (size_t)size);
	record(EVENT_TRUNCATE, ((struct power_file *)(void *)file)->which, NULL, (size_t)size, 0);
	return SQLITE_OK;
}

static int
power_sync(sqlite3_file *file, int flags)
{
	struct power_file *flushed = (struct power_file *)(void *)file;

	record(EVENT_SYNC, flushed->which, NULL, 0, 0);
	if (flushed->is_new_log)
		record(EVENT_SYNC_DIRECTORY, flushed->which, NULL, 0, 0);
	flushed->is_new_log = false;
	return SQLITE_OK;
}

static int
power_size(sqlite3_file *file, sqlite3_int64 *size)
{
	*size = (sqlite3_int64)named_of(file)->live.size;
	return SQLITE_OK;
}

static int
power_lock(sqlite3_file *file, int level)
{
	return SQLITE_OK;
}

static int
power_check_lock(sqlite3_file *file, int *result)
{
	*result = 0;
	return SQLITE_OK;
}

static int
power_control(sqlite3_file *file, int op, void *arg)
{
	return SQLITE_NOTFOUND;
}

static int
power_sector_size(sqlite3_file *file)
{
	return SECTOR_BYTES;
}

/* What SQLite's own VFS for Unix says as well: a write spares what is beside it. */
static int
power_traits(sqlite3_file *file)
{
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* ---- the index of the write-ahead log: memory, which a power loss takes as a whole ---- */

static int
power_shm_map(sqlite3_file *file, int page, int size, int is_write, void volatile **at)
{
	struct power_file *opened = (struct power_file *)(void *)file;

	*at = NULL;
	if (page >= SHM_PAGES_MAX)
		return SQLITE_NOMEM;
	if (opened->shm[page] == NULL && is_write)
		opened->shm[page] = xcalloc(1, (size_t)size);
	*at = opened->shm[page];
	return SQLITE_OK;
}

/* There is one connection to each file. */
static int
power_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	return SQLITE_OK;
}

static void
power_shm_barrier(sqlite3_file *file)
{
}

static int
power_shm_unmap(sqlite3_file *file, int is_last)
{
	struct power_file *opened = (struct power_file *)(void *)file;

	for (int i = 0; i < SHM_PAGES_MAX; i++) {
		free(opened->shm[i]);
		opened->shm[i] = NULL;
	}
	return SQLITE_OK;
}

/* Version 2: with that index, without mapped files. */
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xShmMap = power_shm_map,
    .xShmLock = power_shm_lock,
    .xShmBarrier = power_shm_barrier,
    .xShmUnmap = power_shm_unmap,
    .xClose = power_close,
    .xRead = power_read,
    .xWrite = power_write,
    .xTruncate = power_truncate,
    .xSync = power_sync,
    .xFileSize = power_size,
    .xLock = power_lock,
    .xUnlock = power_lock,
    .xCheckReservedLock = power_check_lock,
    .xFileControl = power_control,
    .xSectorSize = power_sector_size,
    .xDeviceCharacteristics = power_traits,
};

static int
power_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_out)
{
	struct power_file *opened = (struct power_file *)(void *)file;

	*opened = (struct power_file){0};
	opened->which = find_file(name == NULL ? "temporary" : name);
	if (!world.files[opened->which].live.exists && (flags & SQLITE_OPEN_CREATE) == 0)
		return SQLITE_CANTOPEN;
	world.files[opened->which].live.exists = true;
	opened->is_new_log = (flags & SQLITE_OPEN_CREATE) != 0 &&
			     (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)) != 0;
	file->pMethods = &methods;
	if (flags_out != NULL)
		*flags_out = flags;
	return SQLITE_OK;
}

static int
power_remove(sqlite3_vfs *vfs, const char *name, int is_flushed)
{
	unsigned which = find_file(name);

	if (!world.files[which].live.exists)
		return SQLITE_IOERR_DELETE_NOENT;
	world.files[which].live.exists = false;
	world.files[which].live.size = 0;
	record(EVENT_REMOVE, which, NULL, 0, 0);
	if (is_flushed)
		record(EVENT_SYNC_DIRECTORY, which, NULL, 0, 0);
	return SQLITE_OK;
}

static int
power_access(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
	*result = world.files[find_file(name)].live.exists;
	return SQLITE_OK;
}

static int
power_full_path(sqlite3_vfs *vfs, const char *name, int size, char *path)
{
	(void)snprintf(path, (size_t)size, "%s", name);
	return SQLITE_OK;
}

void
power_install(void)
{
	static sqlite3_vfs power_vfs;
	const sqlite3_vfs *real = sqlite3_vfs_find(NULL);

	assert(real != NULL);
	power_vfs = *real;
	power_vfs.zName = "unix-excl"; /* which the store asks for */
	power_vfs.szOsFile = (int)sizeof(struct power_file);
	power_vfs.xOpen = power_open;
	power_vfs.xDelete = power_remove;
	power_vfs.xAccess = power_access;
	power_vfs.xFullPathname = power_full_path;
	power_vfs.pNext = NULL;
	assert(sqlite3_vfs_register(&power_vfs, 1) == SQLITE_OK);
}

/* ---- recording and its loss ---- */

void
power_reset(void)
{
	forget_events();
	for (unsigned i = 0; i < world.file_count; i++) {
		free(world.files[i].live.bytes);
		free(world.files[i].durable.bytes);
	}
	free(world.events);
	memset(&world, 0, sizeof(world));
}

void
power_record(void)
{
	forget_events();
	for (unsigned i = 0; i < world.file_count; i++)
		image_copy(&world.files[i].durable, &world.files[i].live);
	world.is_recording = true;
}

unsigned
power_events(void)
{
	return world.event_count;
}

void
power_rewind(void)
{
	world.is_recording = false;
	world.passed = 0;
}

/* xorshift: the same everywhere for a seed. */
static uint64_t
chance(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void
write_some_sectors(struct image *image, const struct event *event, uint64_t *seed)
{
	for (size_t done = 0; done < event->size;) {
		size_t room = SECTOR_BYTES - (event->at + done) % SECTOR_BYTES;
		size_t size = event->size - done < room ? event->size - done : room;

		if (chance(seed) % 2 == 0)
			image_write(image, event->bytes + done, size, event->at + done);
		done += size;
	}
}

static void
apply(struct image *image, const struct event *event)
{
	if (event->kind == EVENT_WRITE) {
		image_write(image, event->bytes, event->size, event->at);
	} else if (event->kind == EVENT_TRUNCATE) {
		image_resize(image, event->size);
	} else {
		image->exists = false;
		image->size = 0;
	}
}

/* All, nothing or some sectors of it. */
static void
apply_by_chance(struct image *image, const struct event *event, uint64_t *seed)
{
	uint64_t what = chance(seed) % 4;

	if (what == 0)
		return;
	if (what == 1 && event->kind == EVENT_WRITE)
		write_some_sectors(image, event, seed);
	else
		apply(image, event);
}

/* All that was done to a file before `until` is durable. */
static void
settle_file(unsigned file, unsigned until)
{
	for (unsigned i = 0; i < until; i++) {
		struct event *event = &world.events[i];

		if (event->file != file || event->kind >= EVENT_SYNC || event->is_durable)
			continue;
		apply(&world.files[file].durable, event);
		event->is_durable = true;
	}
}

/* Names that went are gone for good. */
static void
settle_removals(void)
{
	for (unsigned i = 0; i < world.passed; i++)
		if (world.events[i].kind == EVENT_REMOVE && !world.events[i].is_durable)
			settle_file(world.events[i].file, i + 1);
}

bool
power_advance(void)
{
	const struct event *event;

	if (world.passed == world.event_count)
		return false;
	event = &world.events[world.passed++];
	if (event->kind == EVENT_SYNC)
		settle_file(event->file, world.passed);
	else if (event->kind == EVENT_SYNC_DIRECTORY)
		settle_removals();
	return true;
}

void
power_cut(enum power_loss loss, uint64_t seed)
{
	seed = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	for (unsigned i = 0; i < world.file_count; i++)
		image_copy(&world.files[i].live, &world.files[i].durable);
	for (unsigned i = 0; i < world.passed && loss != POWER_LOSES_ALL; i++) {
		const struct event *event = &world.events[i];
		struct image *live = &world.files[event->file].live;

		if (event->kind >= EVENT_SYNC || event->is_durable)
			continue;
		if (loss == POWER_LOSES_NONE)
			apply(live, event);
		else
			apply_by_chance(live, event, &seed);
	}
}
