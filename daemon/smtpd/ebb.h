/*
 * ebb - gives memory back to the system when a crowd of clients has left
 *
 * Owns     its timer
 * Context  loop; `trim` runs from the timer, within REST_MS of the moment when most had gone
 *
 * The C library keeps what thousands of sessions have held, for they might come back; the machine
 * has better uses for it.
 */
#ifndef POSTERN_SMTPD_EBB_H
#define POSTERN_SMTPD_EBB_H

struct ebb;
struct loop;

struct ebb *ebb_new(struct loop *loop, void (*trim)(void));
void ebb_free(struct ebb *ebb);

/* A client is there; a client is gone. */
void ebb_come(struct ebb *ebb);
void ebb_go(struct ebb *ebb);

#endif
