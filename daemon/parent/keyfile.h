/*
 * keyfile - small files with secrets: read with distrust, written whole or not at all
 *
 * Role     parent, as root or as an ordinary user
 * Owns     nothing; directories are open descriptors of the caller's
 * Units    bytes
 * Fails    -1 and *err_out, which names the file
 */
#ifndef POSTERN_PARENT_KEYFILE_H
#define POSTERN_PARENT_KEYFILE_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct keyfile_dir {
	int fd;
	const char *path; /* for words */
};

/* The directory itself, no link to one. */
__attribute__((warn_unused_result)) int keyfile_open_dir(
    const char *path, struct keyfile_dir *dir_out, struct err *err_out);
/* Made (0700) if it is not there. It must be ours, and writable for nobody else. */
__attribute__((warn_unused_result)) int keyfile_open_private_dir(
    const char *path, struct keyfile_dir *dir_out, struct err *err_out);
void keyfile_close_dir(struct keyfile_dir *dir);

/* 1: there is no such file. At most 1 MiB. A private file may be read by its owner only, and that
 * is us or the directory's owner. */
__attribute__((warn_unused_result)) int keyfile_read_private(
    const struct keyfile_dir *dir, const char *name, struct buf *out, struct err *err_out);
__attribute__((warn_unused_result)) int keyfile_read_public(
    const struct keyfile_dir *dir, const char *name, struct buf *out, struct err *err_out);

/* Replaces the file at once (rename), and it is on disk on return. */
__attribute__((warn_unused_result)) int keyfile_write(const struct keyfile_dir *dir,
    const char *name, mode_t mode, const void *bytes, size_t size, struct err *err_out);

/* A path from the config: read as it stands, at most 1 MiB. */
__attribute__((warn_unused_result)) int keyfile_read_path(
    const char *path, struct buf *out, struct err *err_out);

#endif
