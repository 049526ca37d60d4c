/*
 * sense - values that can be read, but that nobody can mean
 *
 * Borrows  what it is given
 * Fails    -1 and *err_out: what it would do and what is allowed, without the option's name
 */
#ifndef POSTERN_CONFIG_SENSE_H
#define POSTERN_CONFIG_SENSE_H

#include "common/err.h"
#include "daemon/config/config.h"

/* Of trusted.network: not so much of the internet that the relay is open. */
int sense_check_trusted(const struct config_trusted *trusted, struct err *err_out);
/* Of refused: that it leaves somebody. */
int sense_check_refused(const struct config_networks *refused, struct err *err_out);
/* Of auth.legacy_line: that there is something to announce. */
int sense_check_legacy_line(const struct config *config, struct err *err_out);
/* Of an HTML signature: that it can go into a page that is there already. */
int sense_check_html(const char *html, struct err *err_out);

#endif
