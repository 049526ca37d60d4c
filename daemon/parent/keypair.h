/*
 * keypair - a certificate with its chain, and its key: read, and held against each other
 *
 * Role     parent, also for `posternd -n`
 * Gives    bufs of PEM; keypair_fini() wipes them
 * Units    seconds since 1970
 * Fails    -1 and *err_out as `FILE:LINE: option: ` and what is wrong, in words for who wrote it
 */
#ifndef POSTERN_PARENT_KEYPAIR_H
#define POSTERN_PARENT_KEYPAIR_H

#include "common/buf.h"
#include "common/err.h"
#include "daemon/config/config.h"

#include <time.h>

struct keypair {
	struct buf certificate, key;
};

/* That both can be read, belong together, stand in order (the server's own certificate, then each
 * one's issuer), and that OpenSSL takes them. *out is to be wiped also after a failure. */
__attribute__((warn_unused_result)) int keypair_read(const struct config *config,
    const struct config_pair *named, struct keypair *out, struct err *err_out);
void keypair_fini(struct keypair *pair);

enum keypair_state { KEYPAIR_GOOD, KEYPAIR_ENDS_SOON, KEYPAIR_NOT_VALID };

/* By its dates; unless it is good, *words_out says which of its certificates and when. */
enum keypair_state keypair_judge(const struct keypair *pair, time_t now, struct err *words_out);

#endif
