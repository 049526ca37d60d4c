/* value - a text from the config, or a default, checked and put into its field. */
#include "daemon/config/table.h"

#include "common/buf.h"
#include "common/netaddr.h"
#include "common/utf8.h"
#include "common/xalloc.h"
#include "daemon/config/units.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEADERS_MAX 100
#define NETWORKS_MAX 1000

typedef int (*setter)(const struct option *option, void *field, const char *text);

static bool
is_within(const struct option *option, int64_t value)
{
	return value >= option->minimum && value <= option->maximum;
}

static int
set_bool(const struct option *option, void *field, const char *text)
{
	*(bool *)field = strcmp(text, "true") == 0;
	return 0;
}

static int
set_number(const struct option *option, void *field, const char *text)
{
	long long value = strtoll(text, NULL, 10);

	if (!is_within(option, value))
		return -1;
	*(unsigned *)field = (unsigned)value;
	return 0;
}

static int
set_duration(const struct option *option, void *field, const char *text)
{
	int64_t ms;

	if (unit_duration(text, &ms) != 0 || !is_within(option, ms))
		return -1;
	*(int64_t *)field = ms;
	return 0;
}

static int
set_size(const struct option *option, void *field, const char *text)
{
	uint64_t bytes;

	if (unit_size(text, &bytes) != 0 || !is_within(option, (int64_t)bytes))
		return -1;
	*(uint64_t *)field = bytes;
	return 0;
}

static int
set_cap(const struct option *option, void *field, const char *text)
{
	return cap_parse(text, field, NULL);
}

static int
set_choice(const struct option *option, void *field, const char *text)
{
	for (const struct option_choice *choice = option->choices; choice->name != NULL; choice++) {
		if (choice->is_refused || strcmp(choice->name, text) != 0)
			continue;
		*(unsigned *)field = choice->value;
		return 0;
	}
	return -1;
}

static int
store_text(void *field, const char *text)
{
	char **target = field;

	free(*target);
	*target = xstrdup(text);
	return 0;
}

static int
set_text(const struct option *option, void *field, const char *text)
{
	if (!is_within(option, (int64_t)strlen(text)))
		return -1;
	for (const char *at = text; *at != '\0'; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return -1;
	return store_text(field, text);
}

static int
set_lines(const struct option *option, void *field, const char *text)
{
	if (!is_within(option, (int64_t)strlen(text)) || !utf8_is_valid(text, strlen(text)))
		return -1;
	for (const char *at = text; *at != '\0'; at++)
		if (((unsigned char)*at < ' ' && strchr("\t\r\n", *at) == NULL) || *at == 0x7f)
			return -1;
	return store_text(field, text);
}

static int
set_path(const struct option *option, void *field, const char *text)
{
	return text[0] == '/' ? set_text(option, field, text) : -1;
}

/* RFC 1123 2.1: labels of letters, digits and hyphens. */
static bool
is_hostname(const char *text)
{
	size_t label = 0;

	for (const char *at = text; *at != '\0'; at++) {
		bool at_edge = label == 0 || at[1] == '.' || at[1] == '\0';

		if (*at == '.' && label > 0) {
			label = 0;
			continue;
		}
		if (!isalnum((unsigned char)*at) && (*at != '-' || at_edge))
			return false;
		if (++label > 63)
			return false;
	}
	return label > 0;
}

static int
set_hostname(const struct option *option, void *field, const char *text)
{
	return is_hostname(text) ? set_text(option, field, text) : -1;
}

static int
set_account(const struct option *option, void *field, const char *text)
{
	if (!islower((unsigned char)text[0]) && text[0] != '_')
		return -1;
	if (text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-")] != '\0')
		return -1;
	return set_text(option, field, text);
}

static int
set_address(const struct option *option, void *field, const char *text)
{
	struct netaddr address;

	if (strcmp(text, "*") != 0 && !netaddr_parse(text, &address))
		return -1;
	return store_text(field, text);
}

static int
set_ports(const struct option *option, void *field, const char *text)
{
	struct port_range *ranges;
	size_t count;

	if (unit_ports(text, NULL, &ranges, &count) != 0)
		return -1;
	free(ranges);
	return store_text(field, text);
}

static int
set_network(const struct option *option, void *field, const char *text)
{
	struct netaddr network;
	unsigned prefix_bits;

	if (!netaddr_parse_network(text, &network, &prefix_bits))
		return -1;
	return store_text(field, text);
}

/* The next word into `word` (which holds all of `*at`); false at the end. */
static bool
next_word(const char **at, char *word)
{
	size_t size;

	*at += strspn(*at, " \t");
	size = strcspn(*at, " \t");
	memcpy(word, *at, size);
	word[size] = '\0';
	*at += size;
	return size > 0;
}

static int
read_networks(const char *text, char *word, struct config_networks *networks)
{
	while (next_word(&text, word)) {
		struct config_network item;
		struct netaddr network;

		if (networks->count == NETWORKS_MAX ||
		    !netaddr_parse_network(word, &network, &item.prefix_bits))
			return -1;
		memcpy(item.address, network.bytes, sizeof(item.address));
		networks->items =
		    xrealloc(networks->items, networks->count + 1, sizeof(*networks->items));
		networks->items[networks->count++] = item;
	}
	return 0;
}

static int
set_networks(const struct option *option, void *field, const char *text)
{
	struct config_networks networks = {0}, *old = field;
	char *word = xmalloc(strlen(text) + 1);
	int status = read_networks(text, word, &networks);

	free(word);
	free(status == 0 ? old->items : networks.items);
	if (status == 0)
		*old = networks;
	return status;
}

static int
set_schedule(const struct option *option, void *field, const char *text)
{
	/* the field is config.queue as a whole: the times and their count */
	struct config *config = (void *)((char *)field - offsetof(struct config, queue));
	int64_t times[CONFIG_RETRY_MAX];
	size_t count;

	if (unit_schedule(text, option->minimum, option->maximum, times, &count) != 0)
		return -1;
	memcpy(config->queue.retry_ms, times, count * sizeof(times[0]));
	config->queue.retry_count = count;
	return 0;
}

static void
free_words(char **words)
{
	for (size_t i = 0; words != NULL && words[i] != NULL; i++)
		free(words[i]);
	free(words);
}

/* RFC 5322 3.6.8: printable, no colon. */
static bool
is_header_name(const char *word)
{
	for (; *word != '\0'; word++)
		if (*word <= ' ' || *word >= 0x7f || *word == ':')
			return false;
	return true;
}

/* Loops are found by Received:, and the others say whom a message is from: RFC 5322 3.6 wants
 * From:, and it is what was authorized. */
static bool
is_needed_header(const char *word)
{
	static const char *const needed[] = {"Received", "From", "Sender"};

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (strcasecmp(word, needed[i]) == 0)
			return true;
	return false;
}

static int
read_headers(const char *text, char *word, char **names)
{
	size_t count = 0;

	while (next_word(&text, word)) {
		if (count == HEADERS_MAX || strlen(word) > 76 || !is_header_name(word) ||
		    is_needed_header(word))
			return -1;
		names[count++] = xstrdup(word);
	}
	return 0;
}

static int
set_headers(const struct option *option, void *field, const char *text)
{
	char **names = xcalloc(HEADERS_MAX + 1, sizeof(*names));
	char *word = xmalloc(strlen(text) + 1);
	int status = read_headers(text, word, names);

	free(word);
	if (status != 0) {
		free_words(names);
		return -1;
	}
	free_words(*(char ***)field);
	*(char ***)field = names;
	return 0;
}

static const struct option_choice *
find_choice(const struct option *option, const char *name)
{
	const struct option_choice *choice = option->choices;

	while (choice->name != NULL && strcasecmp(choice->name, name) != 0)
		choice++;
	return choice->name != NULL ? choice : NULL;
}

static bool
has_word(const char *words, const char *word)
{
	size_t size = strlen(word);

	for (const char *at = words; (at = strstr(at, word)) != NULL; at += size)
		if ((at == words || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
			return true;
	return false;
}

static int
read_mechanisms(const struct option *option, const char *text, char *word, struct buf *names)
{
	while (next_word(&text, word)) {
		const struct option_choice *choice = find_choice(option, word);

		if (choice == NULL || choice->is_refused)
			return -1;
		if (names->size > 0 && has_word(names->bytes, choice->name))
			return -1;
		buf_printf(names, "%s%s", names->size > 0 ? " " : "", choice->name);
	}
	return names->size > 0 ? 0 : -1;
}

static int
set_mechanisms(const struct option *option, void *field, const char *text)
{
	char *word = xmalloc(strlen(text) + 1);
	struct buf names;
	int status;

	buf_init(&names);
	status = read_mechanisms(option, text, word, &names);
	if (status == 0)
		(void)store_text(field, names.bytes);
	free(word);
	buf_fini(&names);
	return status;
}

static const setter setters[] = {
    [OPTION_BOOL] = set_bool,
    [OPTION_NUMBER] = set_number,
    [OPTION_DURATION] = set_duration,
    [OPTION_SIZE] = set_size,
    [OPTION_CAP] = set_cap,
    [OPTION_CHOICE] = set_choice,
    [OPTION_PATH] = set_path,
    [OPTION_HOSTNAME] = set_hostname,
    [OPTION_ACCOUNT] = set_account,
    [OPTION_TEXT] = set_text,
    [OPTION_LINES] = set_lines,
    [OPTION_ADDRESS] = set_address,
    [OPTION_PORTS] = set_ports,
    [OPTION_NETWORK] = set_network,
    [OPTION_NETWORKS] = set_networks,
    [OPTION_SCHEDULE] = set_schedule,
    [OPTION_HEADERS] = set_headers,
    [OPTION_MECHANISMS] = set_mechanisms,
};

/* A value that postern will know one day has words of its own. Returns it, or NULL. */
static const char *
find_refused(const struct option *option, const char *text, char *word)
{
	const struct option_choice *choice;

	if (option->choices == NULL)
		return NULL;
	while (next_word(&text, word)) {
		choice = find_choice(option, word);
		if (choice != NULL && choice->is_refused)
			return choice->name;
	}
	return NULL;
}

static int
explain(const struct option *option, const char *text, struct err *err_out)
{
	char *word = xmalloc(strlen(text) + 1);
	const char *refused = find_refused(option, text, word);
	struct err allowed;

	free(word);
	option_allowed(option, &allowed);
	if (refused != NULL)
		return err_set(err_out, "%s is not available in this version; must be %s", refused,
		    allowed.text);
	return err_set(err_out, "\"%.80s\" must be %s", text, allowed.text);
}

int
option_set(const struct option *option, void *base, const char *text, struct err *err_out)
{
	ensure(
	    option->type < sizeof(setters) / sizeof(setters[0]) && setters[option->type] != NULL);
	if (setters[option->type](option, (char *)base + option->target, text) != 0)
		return explain(option, text, err_out);
	return 0;
}
