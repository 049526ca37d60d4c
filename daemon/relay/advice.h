/*
 * advice - what an operator can do about a failure, a file for each part of the way
 *
 * Owns     nothing; texts are appended to the caller's buffer and cut at its end
 * Context  pure
 *
 * Each names the setting, and the command with the profile's own name. diagnosis.c chooses; nobody
 * else includes this.
 */
#ifndef POSTERN_RELAY_ADVICE_H
#define POSTERN_RELAY_ADVICE_H

#include "daemon/relay/client.h"
#include "daemon/relay/profile.h"

struct advice {
	const struct profile *profile;
	const struct client_end *end;
	char *buffer;
	size_t size;
};

void advise(const struct advice *advice, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The beginning of a command; what is to be set follows. */
void advise_set(const struct advice *advice);
/* The option that calls the failed host by another name; a profile's other hosts stay. */
void advise_host(const struct advice *advice, const char *name);
bool advise_has_others(const struct advice *advice);
/* A text in which {profile} and {provider} stand for their names. */
void advise_template(const struct advice *advice, const char *text);

/* The name, the connection, the greeting and EHLO. */
void advise_reach(const struct advice *advice);
void advise_tls(const struct advice *advice);
/* A certificate that was not accepted; `prefix` is that of the options, as "pop3-". */
void advise_certificate(const struct advice *advice, const char *prefix);
/* A login that was refused, or can't be tried now. */
void advise_login(const struct advice *advice);
void advise_login_later(const struct advice *advice);
/* Nothing to log in by, but a login that is to be. */
void advise_no_method(const struct advice *advice);
/* The upstream was reached, and takes nothing from this account for now. */
void advise_put_off(const struct advice *advice);
/* It took no mail of this sender, to this recipient, or not this message. */
void advise_mail(const struct advice *advice);

#endif
