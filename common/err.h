/*
 * err - what went wrong, in words, without an allocation
 *
 * Owns     nothing: a fixed-size value that nobody frees
 * Fails    never; a text that is too long is cut, and control characters in it become `?`
 *
 * The text names the attempt, the object and what is allowed. Who returns an error does not log
 * it; who handles it logs it once.
 */
#ifndef POSTERN_COMMON_ERR_H
#define POSTERN_COMMON_ERR_H

struct err {
	char text[512];
};

/* Writes the text and is -1, so that a failing function can `return err_set(err_out, …)`.
 * `err_out` may be NULL. A macro, so that compilers and analyzers see the -1. */
#define err_set(...) (err_write(__VA_ARGS__), -1)

void err_write(struct err *err_out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Stays in release builds: a broken promise ends the role with a core, and the parent starts it
 * again. */
#define ensure(condition) ((condition) ? (void)0 : ensure_failed(#condition, __FILE__, __LINE__))

_Noreturn void ensure_failed(const char *condition, const char *file, int line);

#endif
