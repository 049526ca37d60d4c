/*
 * presets - what is known of mail providers, as profiles use it
 *
 * Owns     the providers that were read
 * Context  loop
 * Fails    -1 and *refusal_out
 *
 * A profile that names a provider has the values that nobody chose from there, each time it is used.
 * So what is in the file counts for the profiles that there are, and `profile show` shows it.
 */
#ifndef POSTERN_ACCOUNTS_PRESETS_H
#define POSTERN_ACCOUNTS_PRESETS_H

#include "daemon/accounts/profile.h"
#include "daemon/config/providers.h"
#include "daemon/core/messages.h"

struct presets {
	struct providers providers;
};

/* From the files as the parent has checked them. What can't be read is a line in the log. */
void presets_read(struct presets *presets, struct msg_bytes installed, struct msg_bytes own);
void presets_fini(struct presets *presets);

/* A profile's provider exists; the name is stored as the file has it. NULL is allowed. */
int presets_check_name(const struct presets *presets, char **name, struct refusal *refusal_out);
/* The regions that its hosts name are the provider's; for a call that chooses one of both. */
int presets_check_regions(
    const struct presets *presets, const struct profile *profile, struct refusal *refusal_out);
/* Fills what nobody chose. Refused if there is no such provider, or it has something that this
 * version can't do; then nothing is filled. */
int presets_apply(
    const struct presets *presets, struct profile *profile, struct refusal *refusal_out);

/* The one that the profile names, or whose its hosts are, all of them; NULL: neither. */
const struct provider *presets_provider_of(
    const struct presets *presets, const struct profile *profile);

json_t *presets_to_json(const struct provider *provider);

#endif
