/* sender_rules - splits, checks and compares the values of --domains and --senders. */
#include "common/sender_rules.h"

#include "common/buf.h"
#include "common/domain.h"
#include "common/mailaddr.h"
#include "common/xalloc.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* One item in, its normal form out. */
typedef int normalise_item(
    const char *item, size_t length, char out[static MAILADDR_SIZE], struct err *err_out);

static int
normalise_domain_item(
    const char *item, size_t length, char out[static MAILADDR_SIZE], struct err *err_out)
{
	size_t skipped = 0;

	if (length == 1 && item[0] == '*')
		return err_set(err_out, "`*` belongs to the senders: it stands for any sender");
	if (memchr(item, '@', length) != NULL)
		return err_set(err_out, "`%.*s` is no domain; an address belongs to the senders",
		    (int)length, item);
	if (length > 2 && memcmp(item, "*.", 2) == 0)
		skipped = 2;
	memcpy(out, item, skipped);
	return domain_normalise(item + skipped, length - skipped, out + skipped, err_out);
}

/* The address with its domain in the one form; literals have only one. */
static int
put_sender(struct buf *out, const char *item, size_t length, struct err *err_out)
{
	const char *at = memrchr(item, '@', length);
	char domain[DOMAIN_SIZE];
	size_t local;

	if (at == NULL)
		return err_set(err_out,
		    "`%.*s` is no address (local@domain, or `*` for any sender)", (int)length,
		    item);
	local = (size_t)(at - item) + 1;
	if (local == 2 && item[0] == '*')
		return err_set(err_out, "`%.*s`: for a whole domain name `%.*s` among the domains",
		    (int)length, item, (int)(length - local), item + local);
	if (local < length && item[local] == '[') {
		buf_append(out, item, length);
		return 0;
	}
	if (domain_normalise(item + local, length - local, domain, err_out) != 0)
		return -1;
	buf_append(out, item, local);
	buf_text(out, domain);
	return 0;
}

static int
normalise_sender_item(
    const char *item, size_t length, char out[static MAILADDR_SIZE], struct err *err_out)
{
	struct mailaddr address;
	struct buf ascii;
	struct err why;
	int rc = 0;

	if (length == 1 && item[0] == '*') {
		memcpy(out, "*", 2);
		return 0;
	}
	buf_init(&ascii);
	if (put_sender(&ascii, item, length, err_out) != 0)
		rc = -1;
	else if (mailaddr_parse(ascii.bytes, ascii.size, &address, &why) != MAILADDR_OK)
		rc = err_set(err_out, "`%.*s`: %s", (int)length, item, why.text);
	buf_fini(&ascii);
	for (size_t i = 0; rc == 0 && i < sizeof(address.text); i++)
		out[i] = (char)tolower((unsigned char)address.text[i]);
	return rc;
}

static bool
has_item(const struct sender_rules *rules, const char *item)
{
	for (size_t i = 0; i < rules->count; i++)
		if (strcmp(rules->items[i], item) == 0)
			return true;
	return false;
}

static int
add_item(struct sender_rules *rules, const char *item, size_t length, normalise_item *normalise,
    struct err *err_out)
{
	char normal[MAILADDR_SIZE];

	if (normalise(item, length, normal, err_out) != 0)
		return -1;
	if (has_item(rules, normal))
		return 0;
	if (rules->count == SENDER_RULES_MAX)
		return err_set(err_out, "too many items (at most %d)", SENDER_RULES_MAX);
	rules->items = xrealloc(rules->items, rules->count + 1, sizeof(*rules->items));
	rules->items[rules->count++] = xstrdup(normal);
	return 0;
}

/* Up to the next separator that isn't inside quotes, as in `"a,b"@example.com`. */
static size_t
item_length(const char *text)
{
	bool is_quoted = false;
	size_t i;

	for (i = 0; text[i] != '\0'; i++) {
		if (text[i] == '\\' && is_quoted && text[i + 1] != '\0')
			i++;
		else if (text[i] == '"')
			is_quoted = !is_quoted;
		else if (!is_quoted && (text[i] == ';' || text[i] == ','))
			break;
	}
	return i;
}

static int
parse_items(const char *text, normalise_item *normalise, struct sender_rules *rules_out,
    struct err *err_out)
{
	static const char blanks[] = " \t\r\n";

	*rules_out = (struct sender_rules){0};
	for (;;) {
		size_t length = item_length(text), trimmed;
		size_t blank = strspn(text, blanks);

		if (blank > length)
			blank = length;
		trimmed = length - blank;
		while (trimmed > 0 && strchr(blanks, text[blank + trimmed - 1]) != NULL)
			trimmed--;
		if (trimmed > 0 &&
		    add_item(rules_out, text + blank, trimmed, normalise, err_out) != 0) {
			sender_rules_fini(rules_out);
			return -1;
		}
		if (text[length] == '\0')
			return 0;
		text += length + 1;
	}
}

int
sender_rules_parse_domains(const char *text, struct sender_rules *rules_out, struct err *err_out)
{
	return parse_items(text, normalise_domain_item, rules_out, err_out);
}

int
sender_rules_parse_senders(const char *text, struct sender_rules *rules_out, struct err *err_out)
{
	return parse_items(text, normalise_sender_item, rules_out, err_out);
}

void
sender_rules_fini(struct sender_rules *rules)
{
	for (size_t i = 0; i < rules->count; i++)
		free(rules->items[i]);
	free(rules->items);
	*rules = (struct sender_rules){0};
}

bool
sender_rules_allow_any(const struct sender_rules *domains, const struct sender_rules *senders)
{
	return (domains->count == 0 && senders->count == 0) || has_item(senders, "*");
}

/* The address with its domain as A-labels, as the rules have theirs. */
static const char *
comparable(const char *address, char out[static MAILADDR_SIZE])
{
	const char *at = strrchr(address, '@');
	size_t local = at == NULL ? 0 : (size_t)(at - address) + 1;
	char domain[DOMAIN_SIZE];

	if (local == 0 || local > MAILADDR_LOCAL_MAX + 1 ||
	    domain_normalise_exact(at + 1, strlen(at + 1), domain, NULL) != 0)
		return address; /* a literal, or what no rule is */
	memcpy(out, address, local);
	(void)strcpy(out + local, domain);
	return out;
}

const char *
sender_rules_deciding(
    const struct sender_rules *domains, const struct sender_rules *senders, const char *address)
{
	char normal[MAILADDR_SIZE];
	const char *at;

	if (domains->count == 0 && senders->count == 0)
		return "";
	if (has_item(senders, "*"))
		return "*";
	address = comparable(address, normal);
	at = strrchr(address, '@');
	for (size_t i = 0; i < senders->count; i++)
		if (mailaddr_equals(senders->items[i], address))
			return senders->items[i];
	for (size_t i = 0; at != NULL && i < domains->count; i++)
		if (domain_matches(domains->items[i], at + 1))
			return domains->items[i];
	return NULL;
}

bool
sender_rules_allow(
    const struct sender_rules *domains, const struct sender_rules *senders, const char *address)
{
	return sender_rules_deciding(domains, senders, address) != NULL;
}
