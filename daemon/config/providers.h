/*
 * providers - what is known of mail providers: a file of presets for profiles
 *
 * Role     the parent checks the files, accounts uses them
 * Owns     a `providers` owns all that it points to
 * Units    as the profile's fields have them
 * Fails    -1 and *err_out as `FILE:LINE: key: what is wrong and what is allowed`
 *
 * A file in libconfig's form: a group for each provider, under the name that --provider takes. The
 * keys are in the table of providers.c; all but the last five are fields of a profile. Nothing is
 * included from it.
 */
#ifndef POSTERN_CONFIG_PROVIDERS_H
#define POSTERN_CONFIG_PROVIDERS_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A field of the profile. */
struct provider_value {
	const char *field; /* of the table: constant */
	bool is_number;
	int64_t number;
	char *text; /* NULL: a number */
};

struct provider_texts {
	char **items;
	size_t count;
};

struct provider {
	char *name, *title;
	struct provider_value *values;
	size_t value_count;
	/* `{region}` in the host is one of these; `region` if nobody chose, NULL: somebody must. */
	struct provider_texts regions;
	char *region;
	struct provider_texts hints;
	/* Other hosts of its own; a * stands for some characters. */
	struct provider_texts aliases;
};

struct providers {
	struct provider *items; /* in the order of the file */
	size_t count;
};

/* Installed with the programs. */
#define PROVIDERS_PATH PKGDATADIR "/providers.conf"

/* What stands in place of the region in a host. */
#define PROVIDER_REGION "{region}"

/* `file` is for words. */
__attribute__((warn_unused_result)) int providers_parse(const char *file, const char *text,
    size_t size, struct providers *providers_out, struct err *err_out);
/* Takes the others; one of the same name replaces the one that is there. */
void providers_add(struct providers *providers, struct providers *others);
/* NULL: there is none. Without regard to case. */
const struct provider *providers_find(const struct providers *providers, const char *name);
/* Whose host that is, in any region, or an alias; of several, with `;` between, whose they all are.
 * NULL: nobody's. */
const struct provider *providers_find_hosts(const struct providers *providers, const char *hosts);
void providers_fini(struct providers *providers);

#endif
