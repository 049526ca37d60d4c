/*
 * report - what became of attempts, kept until queue has it on disk
 *
 * Owns     a copy of every report that was not acknowledged
 * Context  loop
 *
 * On a new link to queue everything that is here is said again: a restart of queue alone loses no
 * fate and repeats no delivery.
 */
#ifndef POSTERN_RELAY_REPORT_H
#define POSTERN_RELAY_REPORT_H

#include "daemon/core/link.h"

struct reports;

struct reports *reports_new(void);
void reports_free(struct reports *reports);
/* Reports go there from now on; NULL: nowhere. */
void reports_set_link(struct reports *reports, struct link *link);
/* Keeps a copy and sends it if there is a link. Texts are cut to the limits of the message. */
void reports_add(
    struct reports *reports, const struct msg_report *report, const struct msg_list_builder *fates);
void reports_acknowledge(struct reports *reports, uint64_t attempt);
/* Appends an ATTEMPT for each. */
void reports_list(const struct reports *reports, struct msg_list_builder *attempts);
void reports_send_all(struct reports *reports);
bool reports_is_empty(const struct reports *reports);

#endif
