/*
 * capture - writes a message into a Maildir below the current directory instead of sending it
 *
 * Owns     its file and a copy of the path; pieces of the body until they are written
 * Context  loop; the disk is touched on the pool's threads only
 * Fails    into on_done, in words
 *
 * A message is written into tmp/, flushed, renamed into new/, and the directory is flushed: what
 * on_done calls good survives a power cut. The file has Return-Path: and Delivered-To: lines, as
 * delivery agents write them, and then the body byte for byte.
 */
#ifndef POSTERN_RELAY_CAPTURE_H
#define POSTERN_RELAY_CAPTURE_H

#include "common/chunk.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capture;
struct loop;
struct pool;

struct capture_callbacks {
	/* So many bytes are written. */
	void (*on_written)(struct capture *capture, uint32_t bytes, void *ctx);
	/* The last one; the capture is freed afterwards. `problem` NULL: it is on disk. */
	void (*on_done)(struct capture *capture, const char *problem, void *ctx);
};

/* Whether a profile may name this: relative, no `..`, no empty part. */
int capture_check_path(const char *path, struct err *err_out);

/* `name` becomes part of the file's name: letters, digits, dots. `head` (taken) stands before the
 * body. */
struct capture *capture_new(struct pool *pool, const char *path, const char *name, char *head,
    const struct capture_callbacks *callbacks, void *ctx);
/* Holds the slice; it is written after capture_push(). */
void capture_write(struct capture *capture, const struct slice *slice);
/* Writes what has gathered. With `is_last` that was all, and on_done follows. */
void capture_push(struct capture *capture, bool is_last);
/* The last job is under way: it is too late for capture_cancel(). */
bool capture_is_finishing(const struct capture *capture);
/* No callback any more; a file that is not finished is removed. */
void capture_cancel(struct capture *capture);

#endif
