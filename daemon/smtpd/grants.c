/* grants - a table of users by id and by login, in chains that never grow long. */
#include "daemon/smtpd/grants.h"

#include "common/list.h"
#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>

#define BUCKET_COUNT 4096

struct entry {
	struct list link, login_link;
	struct grant *grant;
};

struct grant_table {
	struct list buckets[BUCKET_COUNT], logins[BUCKET_COUNT];
	unsigned count;
};

struct grant *
grant_hold(struct grant *grant)
{
	grant->references++;
	return grant;
}

void
grant_release(struct grant *grant)
{
	if (grant == NULL || --grant->references > 0)
		return;
	free(grant->login);
	free(grant->list);
	sender_rules_fini(&grant->domains);
	sender_rules_fini(&grant->senders);
	free(grant);
}

/* The items are in their compared form already: accounts parsed them when they were set. */
static void
copy_rules(struct msg_list items, struct sender_rules *rules_out)
{
	struct rec_item item;

	rules_out->items = xcalloc(items.count + 1u, sizeof(*rules_out->items));
	rules_out->count = 0;
	while (message_list_next(&items, REC_ITEM, &item))
		rules_out->items[rules_out->count++] = xstrdup(item.text);
}

struct grant *
grant_from(const struct msg_grant *message)
{
	struct grant *grant = xcalloc(1, sizeof(*grant));

	grant->references = 1;
	grant->user_id = message->user_id;
	grant->credential = message->credential;
	grant->is_active = message->is_active;
	grant->has_profile = message->has_profile;
	grant->has_stamp_priority = message->has_stamp_priority;
	grant->priority = message->priority;
	grant->priority_max = message->priority_max;
	grant->check = message->check;
	grant->unauthorized = message->unauthorized;
	grant->login = xstrdup(message->login);
	grant->list = xstrdup(message->list);
	copy_rules(message->domains, &grant->domains);
	copy_rules(message->senders, &grant->senders);
	return grant;
}

struct grant_table *
grant_table_new(void)
{
	struct grant_table *grants = xcalloc(1, sizeof(*grants));

	for (size_t i = 0; i < BUCKET_COUNT; i++) {
		list_init(&grants->buckets[i]);
		list_init(&grants->logins[i]);
	}
	return grants;
}

void
grant_table_free(struct grant_table *grants)
{
	grant_table_forget_all(grants);
	free(grants);
}

/* Logins are an administrator's: nobody makes them fall into one chain. */
static struct list *
login_bucket(struct grant_table *grants, const char *login)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *login != '\0'; login++)
		hash = (hash ^ (unsigned char)*login) * 16777619u;
	return &grants->logins[hash % BUCKET_COUNT];
}

static struct entry *
find(struct grant_table *grants, uint64_t user_id)
{
	LIST_EACH (&grants->buckets[user_id % BUCKET_COUNT], at) {
		struct entry *entry = LIST_ENTRY(at, struct entry, link);

		if (entry->grant->user_id == user_id)
			return entry;
	}
	return NULL;
}

static void
forget(struct grant_table *grants, struct entry *entry)
{
	list_remove(&entry->link);
	list_remove(&entry->login_link);
	grant_release(entry->grant);
	free(entry);
	grants->count--;
}

void
grant_table_forget_all(struct grant_table *grants)
{
	for (size_t i = 0; i < BUCKET_COUNT; i++)
		LIST_EACH_SAFE (&grants->buckets[i], at, next)
			forget(grants, LIST_ENTRY(at, struct entry, link));
}

struct grant *
grant_table_put(struct grant_table *grants, const struct msg_grant *message)
{
	struct entry *entry;

	if (message->user_id == 0)
		return NULL;
	entry = find(grants, message->user_id);
	if (entry != NULL)
		forget(grants, entry);
	if (grants->count == GRANTS_MAX)
		grant_table_forget_all(grants);
	entry = xmalloc(sizeof(*entry));
	entry->grant = grant_from(message);
	list_append(&grants->buckets[message->user_id % BUCKET_COUNT], &entry->link);
	list_append(login_bucket(grants, entry->grant->login), &entry->login_link);
	grants->count++;
	return entry->grant;
}

struct grant *
grant_table_find(struct grant_table *grants, uint64_t user_id)
{
	struct entry *entry = find(grants, user_id);

	return entry == NULL ? NULL : entry->grant;
}

struct grant *
grant_table_find_login(struct grant_table *grants, const char *login)
{
	LIST_EACH (login_bucket(grants, login), at) {
		struct entry *entry = LIST_ENTRY(at, struct entry, login_link);

		if (strcmp(entry->grant->login, login) == 0)
			return entry->grant;
	}
	return NULL;
}
