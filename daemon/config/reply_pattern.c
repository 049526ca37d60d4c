/* reply_pattern - the parts of a rule: codes, enhanced codes, phases, and the text's pattern. */
#include "daemon/config/reply_rules_private.h"

#include "common/enhanced.h"
#include "common/xalloc.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART_MAX 999
/* The C library keeps what it learns of a pattern; who sends ever other texts makes it learn. */
#define USES_MAX 2000

/* ---- words ---- */

/* Calls `take` for each word of the text; -1 if one fails, or there is none. */
static int
each_word(const char *text, int (*take)(const char *word, void *ctx), void *ctx)
{
	char copy[400], *place, *word;
	size_t count = 0;

	if (strlen(text) >= sizeof(copy))
		return -1;
	(void)snprintf(copy, sizeof(copy), "%s", text);
	for (word = strtok_r(copy, " ", &place); word != NULL; word = strtok_r(NULL, " ", &place))
		if (take(word, ctx) != 0)
			return -1;
		else
			count++;
	return count > 0 ? 0 : -1;
}

/* ---- codes ---- */

struct code_list {
	struct code_range *ranges;
	size_t count;
};

static int
take_code(const char *word, void *ctx)
{
	struct code_list *list = ctx;
	unsigned digit = (unsigned)(word[0] - '0');

	if (list->count == CODES_MAX || strlen(word) != 3 || digit < 1 || digit > 5)
		return -1;
	if (strcmp(word + 1, "xx") == 0) {
		list->ranges[list->count++] = (struct code_range){digit * 100, digit * 100 + 99};
		return 0;
	}
	if (!isdigit((unsigned char)word[1]) || !isdigit((unsigned char)word[2]))
		return -1;
	list->ranges[list->count].first = list->ranges[list->count].last =
	    (unsigned)strtoul(word, NULL, 10);
	list->count++;
	return 0;
}

int
code_ranges_parse(const char *text, struct code_range *ranges_out, size_t *count_out)
{
	struct code_list list = {.ranges = ranges_out};

	if (each_word(text, take_code, &list) != 0)
		return -1;
	*count_out = list.count;
	return 0;
}

/* ---- enhanced codes ---- */

/* `x`, `7`, `700-749`, up to the dot or the end. */
static int
read_part(const char **at, unsigned *first_out, unsigned *last_out)
{
	char *end;

	if (**at == 'x') {
		*first_out = 0;
		*last_out = PART_MAX;
		++*at;
		return 0;
	}
	if (!isdigit((unsigned char)**at))
		return -1;
	*first_out = *last_out = (unsigned)strtoul(*at, &end, 10);
	if (*end == '-' && isdigit((unsigned char)end[1]))
		*last_out = (unsigned)strtoul(end + 1, &end, 10);
	*at = end;
	return *first_out <= *last_out && *last_out <= PART_MAX ? 0 : -1;
}

struct enhanced_list {
	struct enhanced_range *ranges;
	size_t count;
};

static int
take_enhanced(const char *word, void *ctx)
{
	struct enhanced_list *list = ctx;
	struct enhanced_range *range = &list->ranges[list->count];
	const char *at = word + 2;

	if (list->count == ENHANCED_MAX || strchr("x45", word[0]) == NULL || word[1] != '.')
		return -1;
	range->class = word[0] == 'x' ? 0 : (unsigned)(word[0] - '0');
	if (read_part(&at, &range->subject_first, &range->subject_last) != 0 || *at++ != '.' ||
	    read_part(&at, &range->detail_first, &range->detail_last) != 0 || *at != '\0')
		return -1;
	list->count++;
	return 0;
}

int
enhanced_ranges_parse(const char *text, struct enhanced_range *ranges_out, size_t *count_out)
{
	struct enhanced_list list = {.ranges = ranges_out};

	if (each_word(text, take_enhanced, &list) != 0)
		return -1;
	*count_out = list.count;
	return 0;
}

bool
enhanced_ranges_have(const struct enhanced_range *ranges, size_t count, const char *enhanced)
{
	struct enhanced code;

	if (enhanced_parse(enhanced, strlen(enhanced), &code) == 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if ((ranges[i].class == 0 || ranges[i].class == code.class) &&
		    code.subject >= ranges[i].subject_first &&
		    code.subject <= ranges[i].subject_last &&
		    code.detail >= ranges[i].detail_first && code.detail <= ranges[i].detail_last)
			return true;
	return false;
}

/* ---- phases ---- */

static int
take_phase(const char *word, void *ctx)
{
	unsigned *phases = ctx;

	for (unsigned phase = PHASE_GREETING; phase < PHASE_COUNT; phase++)
		if (phase != PHASE_TLS && phase != PHASE_BODY &&
		    strcmp(phase_name((enum phase)phase), word) == 0) {
			*phases |= 1u << phase;
			return 0;
		}
	return -1;
}

int
phases_parse(const char *text, unsigned *phases_out)
{
	*phases_out = 0;
	return each_word(text, take_phase, phases_out);
}

/* ---- texts ---- */

/* What takes the C library long, or much memory: references back, and counted repetitions. */
static const char *
find_forbidden(const char *source)
{
	bool is_bracket = false;

	for (const char *at = source; *at != '\0'; at++) {
		if (*at == '\\' && isdigit((unsigned char)at[1]))
			return "a reference back (\\1) is not allowed";
		if (!is_bracket && *at == '{')
			return "a counted repetition ({2,5}) is not allowed: use + or *";
		if (*at == '\\' && !is_bracket && at[1] != '\0')
			at++;
		else if (*at == '[' && !is_bracket)
			is_bracket = true;
		else if (*at == ']')
			is_bracket = false;
	}
	return NULL;
}

static int
compile(struct pattern *pattern)
{
	pattern->uses = 0;
	return regcomp(&pattern->regex, pattern->source, REG_EXTENDED | REG_ICASE | REG_NOSUB);
}

int
pattern_compile(struct pattern *pattern, const char *source, struct err *err_out)
{
	const char *forbidden = find_forbidden(source);
	char why[200];
	int status;

	if (strlen(source) == 0 || strlen(source) > PATTERN_MAX)
		return err_set(err_out, "must be a pattern of 1 to %d characters", PATTERN_MAX);
	if (forbidden != NULL)
		return err_set(err_out, "%s", forbidden);
	pattern->source = xstrdup(source);
	status = compile(pattern);
	if (status == 0)
		return 0;
	(void)regerror(status, &pattern->regex, why, sizeof(why));
	free(pattern->source);
	pattern->source = NULL;
	return err_set(err_out, "is no extended regular expression (regex(7)): %s", why);
}

bool
pattern_fits(struct pattern *pattern, const char *text)
{
	if (pattern->source == NULL)
		return true;
	if (++pattern->uses > USES_MAX) {
		regfree(&pattern->regex);
		ensure(compile(pattern) == 0);
	}
	return regexec(&pattern->regex, text, 0, NULL, 0) == 0;
}

void
pattern_fini(struct pattern *pattern)
{
	if (pattern->source == NULL)
		return;
	regfree(&pattern->regex);
	free(pattern->source);
	pattern->source = NULL;
}
