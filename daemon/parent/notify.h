/*
 * notify - tells systemd how far the daemon is (sd_notify(3)'s protocol: one datagram)
 *
 * Role     parent
 * Fails    never: without NOTIFY_SOCKET nothing happens
 */
#ifndef POSTERN_PARENT_NOTIFY_H
#define POSTERN_PARENT_NOTIFY_H

#include <stdbool.h>

bool notify_is_wanted(void);
/* `READY=1`, `STOPPING=1`, `RELOADING=1\nMONOTONIC_USEC=…`, `STATUS=…` */
void notify_send(const char *state);

#endif
