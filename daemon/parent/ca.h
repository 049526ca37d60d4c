/*
 * ca - our own CA and the server's certificate, when the config names none
 *
 * Role     parent
 * Owns     state_dir/tls: ca.pem ca.key server.pem server.key; the keys are readable for us alone
 * Units    seconds since 1970
 * Fails    -1 and *err_out; then nothing was changed, or what was changed is whole
 *
 * The CA is made once and lasts ten years: clients are told to trust it. The certificate lasts 820
 * days, and a new one is made when less than 30 are left or when it lacks a name that is needed:
 * the host's, localhost, or an address of this machine.
 */
#ifndef POSTERN_PARENT_CA_H
#define POSTERN_PARENT_CA_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <time.h>

struct ca_files {
	struct buf ca_certificate, certificate, key; /* PEM; the caller's to fini (and wipe) */
	bool has_new_ca, has_new_certificate;
};

__attribute__((warn_unused_result)) int ca_ensure(const char *state_dir, const char *hostname,
    time_t now, struct ca_files *out, struct err *err_out);

#endif
