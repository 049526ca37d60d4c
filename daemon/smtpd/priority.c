/* priority - the table of fields, and the rules of precedence. */
#include "daemon/smtpd/priority.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Writes down what a value says; 0 for a word that isn't known. */
typedef unsigned read_value(const char *value, size_t length);

struct word {
	const char *text;
	unsigned priority;
};

/* The word that the value begins with, whatever comment follows. */
static unsigned
read_word(const struct word *words, size_t count, const char *value, size_t length)
{
	size_t word = 0;

	while (word < length && (isalpha((unsigned char)value[word]) || value[word] == '-'))
		word++;
	for (size_t i = 0; i < count; i++)
		if (word == strlen(words[i].text) && strncasecmp(value, words[i].text, word) == 0)
			return words[i].priority;
	return 0;
}

static unsigned
read_level(const char *value, size_t length)
{
	static const struct word words[] = {{"high", 2}, {"normal", 3}, {"low", 4}};

	return read_word(words, sizeof(words) / sizeof(words[0]), value, length);
}

static unsigned
read_urgency(const char *value, size_t length)
{
	static const struct word words[] = {{"urgent", 2}, {"normal", 3}, {"non-urgent", 4}};

	return read_word(words, sizeof(words) / sizeof(words[0]), value, length);
}

/* `1`, `1 (Highest)` */
static unsigned
read_digit(const char *value, size_t length)
{
	if (length == 0 || value[0] < '1' || value[0] > '5')
		return 0;
	if (length > 1 && isdigit((unsigned char)value[1]))
		return 0;
	return (unsigned)(value[0] - '0');
}

static const struct {
	const char *name;
	size_t offset; /* in priority_hints */
	read_value *read;
} fields[] = {
    {"Importance", offsetof(struct priority_hints, importance), read_level},
    {"X-Priority", offsetof(struct priority_hints, x_priority), read_digit},
    {"X-MSMail-Priority", offsetof(struct priority_hints, x_msmail_priority), read_level},
    {"Priority", offsetof(struct priority_hints, priority), read_urgency},
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

/* FIELD_COUNT when it's none of them */
static size_t
find_field(const char *name, size_t length)
{
	size_t i = 0;

	while (i < FIELD_COUNT &&
	       (length != strlen(fields[i].name) || strncasecmp(name, fields[i].name, length) != 0))
		i++;
	return i;
}

bool
priority_is_field(const char *name, size_t name_length)
{
	return find_field(name, name_length) < FIELD_COUNT;
}

void
priority_note(struct priority_hints *hints, const char *name, size_t name_length, const char *value,
    size_t value_length)
{
	size_t i = find_field(name, name_length);
	unsigned *hint;

	if (i == FIELD_COUNT)
		return;
	while (value_length > 0 && isspace((unsigned char)*value)) {
		value++;
		value_length--;
	}
	hint = (unsigned *)(void *)((char *)hints + fields[i].offset);
	if (*hint == 0)
		*hint = fields[i].read(value, value_length);
}

unsigned
priority_own(const struct priority_hints *hints)
{
	if (hints->importance == 2)
		return hints->x_priority == 1 ? 1 : 2;
	if (hints->importance == 4)
		return hints->x_priority == 5 ? 5 : 4;
	if (hints->importance != 0)
		return hints->importance;
	if (hints->x_priority != 0)
		return hints->x_priority;
	if (hints->x_msmail_priority != 0)
		return hints->x_msmail_priority;
	return hints->priority;
}

unsigned
priority_from_mt(int mt_priority)
{
	if (mt_priority == 0)
		return 3;
	if (mt_priority > 0)
		return mt_priority >= 4 ? 1 : 2;
	return mt_priority <= -4 ? 5 : 4;
}

int
priority_limit_mt(int mt_priority, unsigned user_max)
{
	static const int highest[] = {9, 9, 3, 0, -1, -4};
	int limit = highest[user_max > 5 ? 5 : user_max];

	return mt_priority > limit ? limit : mt_priority;
}

unsigned
priority_effective(unsigned own, unsigned user, unsigned user_max)
{
	unsigned higher = own != 0 && own < user ? own : user;

	return higher < user_max ? user_max : higher;
}

const char *
priority_importance(unsigned priority)
{
	if (priority < 3)
		return "high";
	return priority > 3 ? "low" : "normal";
}
