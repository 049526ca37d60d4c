/*
 * store_copy - a copied queue.db: whether it is whole, and made fit to be a backup
 *
 * Role     queue
 * Owns     its connection to the copy; the store's own database is not touched
 * Context  the thread of copies
 * Units    bytes; *_at_ms are wall clock
 * Fails    -1 and *err_out; nothing is promised of the copy then
 */
#ifndef POSTERN_QUEUE_STORE_COPY_H
#define POSTERN_QUEUE_STORE_COPY_H

#include "common/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct store_copy;

/* `is_stopping` ends long statements early: they fail. */
__attribute__((warn_unused_result)) int store_copy_open(const char *path,
    const atomic_bool *is_stopping, struct store_copy **copy_out, struct err *err_out);
void store_copy_close(struct store_copy *copy); /* NULL is allowed */

/* Names each thing that is wrong: pages, and rows that miss or don't belong to each other. 1: pages
 * are damaged, and nothing more can be said. */
typedef void store_copy_problem_fn(const char *problem, void *ctx);
__attribute__((warn_unused_result)) int store_copy_check(
    struct store_copy *copy, store_copy_problem_fn *on_problem, void *ctx, struct err *err_out);

/* How many messages, and their bytes. */
__attribute__((warn_unused_result)) int store_copy_measure(
    struct store_copy *copy, uint64_t *messages_out, uint64_t *bytes_out, struct err *err_out);

/* Each message whose body is in a file, with the file's name and its size. */
typedef void store_copy_file_fn(uint64_t message_id, uint64_t name, uint64_t size, void *ctx);
__attribute__((warn_unused_result)) int store_copy_each_file(
    struct store_copy *copy, store_copy_file_fn *on_file, void *ctx, struct err *err_out);

/* Holds every message, moves the ids on behind any that the original may give from now on, and
 * notes that this is a backup. */
__attribute__((warn_unused_result)) int store_copy_hold(
    struct store_copy *copy, int64_t at_ms, struct err *err_out);

#endif
