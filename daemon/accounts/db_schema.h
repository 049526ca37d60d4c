/*
 * db_schema - the tables of accounts.db, and the way from each version to the next
 *
 * Part of db.
 */
#ifndef POSTERN_ACCOUNTS_DB_SCHEMA_H
#define POSTERN_ACCOUNTS_DB_SCHEMA_H

#define DB_APPLICATION_ID 0x70737472 /* "pstr" */
#define DB_VERSION 4

/* SQL from each version to the next; 0 is an empty file. */
extern const char *const db_steps[DB_VERSION];

#endif
