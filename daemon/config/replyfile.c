/* replyfile - reads rules from libconfig's form, an operator's before those that are built in. */
#include "common/xalloc.h"
#include "daemon/config/reply_rules_private.h"
#include "daemon/config/units.h"

#include <ctype.h>
#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADVICE_MAX 320
#define PROVIDERS_MAX_BYTES 200

struct reader {
	const char *file;
	struct reply_rules *rules;
	size_t own_count; /* of an earlier file: their ids are taken */
	bool wants_builtin;
	struct err *err_out;
};

__attribute__((format(printf, 3, 4))) static int
fail(struct reader *reader, const config_setting_t *setting, const char *format, ...)
{
	struct err text;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text.text, sizeof(text.text), format, args);
	va_end(args);
	return err_set(reader->err_out, "%s:%u: %s", reader->file,
	    config_setting_source_line(setting), text.text);
}

/* ---- the fields of a rule ---- */

typedef int (*take_fn)(
    struct reader *reader, struct rule *rule, const config_setting_t *setting, const char *text);

static int
take_id(struct reader *reader, struct rule *rule, const config_setting_t *setting, const char *text)
{
	size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.");

	if (size == 0 || text[size] != '\0' || size >= sizeof(rule->public.id))
		return fail(reader, setting, "id: must be 1 to %zu of a-z, 0-9, - and .",
		    sizeof(rule->public.id) - 1);
	memcpy(rule->public.id, text, size + 1);
	return 0;
}

static int
take_provider(
    struct reader *reader, struct rule *rule, const config_setting_t *setting, const char *text)
{
	if (text[strspn(text, " ")] == '\0' || strlen(text) > PROVIDERS_MAX_BYTES)
		return fail(reader, setting,
		    "provider: must be one or several names, %d characters at the most",
		    PROVIDERS_MAX_BYTES);
	rule->provider = xstrdup(text);
	return 0;
}

static int
take_phase(
    struct reader *reader, struct rule *rule, const config_setting_t *setting, const char *text)
{
	if (phases_parse(text, &rule->phases) == 0)
		return 0;
	return fail(reader, setting,
	    "phase: must be one or several of greeting ehlo starttls auth mail rcpt data dot");
}

static int
take_code(
    struct reader *reader, struct rule *rule, const config_setting_t *setting, const char *text)
{
	if (code_ranges_parse(text, rule->codes, &rule->code_count) == 0)
		return 0;
	return fail(reader, setting,
	    "code: must be 1 to %d codes, as \"550\", \"4xx\" or \"421 450\"", CODES_MAX);
}

static int
take_enhanced(
    struct reader *reader, struct rule *rule, const config_setting_t *setting, const char *text)
{
	if (enhanced_ranges_parse(text, rule->enhanced, &rule->enhanced_count) == 0)
		return 0;
	return fail(reader, setting,
	    "enhanced: must be 1 to %d codes, as \"5.7.1\", \"x.5.3\", \"4.7.x\" or "
	    "\"5.7.700-749\"",
	    ENHANCED_MAX);
}

static int
take_text(
    struct reader *reader, struct rule *rule, const config_setting_t *setting, const char *text)
{
	struct err why;

	if (pattern_compile(&rule->text, text, &why) == 0)
		return 0;
	return fail(reader, setting, "text: %s", why.text);
}

static int
take_class(
    struct reader *reader, struct rule *rule, const config_setting_t *setting, const char *text)
{
	char names[400] = "";
	size_t size = 0;

	rule->public.class = reply_class_parse(text);
	if (reply_class_is_for_rules(rule->public.class))
		return 0;
	for (unsigned class = 0; class < REPLY_CLASS_COUNT; class ++)
		if (reply_class_is_for_rules((enum reply_class) class))
			size += (size_t)snprintf(names + size, sizeof(names) - size, " %s",
			    reply_class_name((enum reply_class) class));
	return fail(reader, setting, "class: must be one of%s", names);
}

static int
take_backoff(
    struct reader *reader, struct rule *rule, const config_setting_t *setting, const char *text)
{
	int64_t times_ms[CONFIG_RETRY_MAX];
	size_t count = 0;

	if (unit_schedule(text, 1000, (int64_t)REPLY_WAIT_MAX_S * 1000, times_ms, &count) != 0 ||
	    count > 2 || times_ms[count - 1] < times_ms[0])
		return fail(reader, setting,
		    "backoff: must be one or two durations from 1s to 24h, the first and the "
		    "longest, as \"15m 4h\"");
	rule->public.wait.first_s = (uint32_t)(times_ms[0] / 1000);
	rule->public.wait.most_s = (uint32_t)(times_ms[count - 1] / 1000);
	return 0;
}

static int
take_advice(
    struct reader *reader, struct rule *rule, const config_setting_t *setting, const char *text)
{
	if (*text == '\0' || strlen(text) > ADVICE_MAX)
		return fail(reader, setting, "advice: must be a text of 1 to %d bytes", ADVICE_MAX);
	rule->advice = xstrdup(text);
	return 0;
}

static const struct {
	const char *name;
	take_fn take; /* NULL: a boolean */
} fields[] = {
    {"id", take_id},
    {"provider", take_provider},
    {"phase", take_phase},
    {"code", take_code},
    {"enhanced", take_enhanced},
    {"text", take_text},
    {"class", take_class},
    {"backoff", take_backoff},
    {"alert", NULL},
    {"advice", take_advice},
};

static int
take_field(struct reader *reader, struct rule *rule, config_setting_t *setting)
{
	const char *name = config_setting_name(setting);
	size_t i = 0;

	while (i < sizeof(fields) / sizeof(fields[0]) && strcmp(fields[i].name, name) != 0)
		i++;
	if (i == sizeof(fields) / sizeof(fields[0]))
		return fail(reader, setting,
		    "%.60s: unknown field; a rule may have id provider phase code enhanced text "
		    "class backoff alert advice",
		    name);
	if (fields[i].take == NULL) {
		if (config_setting_type(setting) != CONFIG_TYPE_BOOL)
			return fail(reader, setting, "alert: must be true or false");
		rule->public.is_alerted = config_setting_get_bool(setting);
		return 0;
	}
	if (config_setting_type(setting) != CONFIG_TYPE_STRING)
		return fail(reader, setting, "%s: must be a text in quotes", name);
	return fields[i].take(reader, rule, setting, config_setting_get_string(setting));
}

static bool
is_taken(const struct reply_rules *rules, size_t from, size_t to, const char *id)
{
	for (size_t i = from; i < to; i++)
		if (strcmp(rules->rows[i]->public.id, id) == 0)
			return true;
	return false;
}

static int
check_rule(struct reader *reader, const struct rule *rule, const config_setting_t *group)
{
	if (*rule->public.id == '\0' || rule->public.class == REPLY_NONE)
		return fail(reader, group, "a rule needs both id and class");
	if (rule->text.source == NULL && rule->code_count == 0 && rule->enhanced_count == 0)
		return fail(reader, group, "a rule needs one of code, enhanced and text");
	if (is_taken(reader->rules, reader->own_count, reader->rules->count, rule->public.id))
		return fail(
		    reader, group, "id: an earlier rule is called \"%s\" already", rule->public.id);
	return 0;
}

/* One of an operator's takes the place of the built-in one of its name. */
static void
add_rule(struct reader *reader, struct rule *rule)
{
	struct reply_rules *rules = reader->rules;

	rule->public.advice = rule->advice != NULL ? rule->advice : "";
	if (is_taken(rules, 0, reader->own_count, rule->public.id)) {
		rule_free(rule);
		return;
	}
	rules->rows = xrealloc(rules->rows, rules->count + 1, sizeof(struct rule *));
	rules->rows[rules->count++] = rule;
}

static int
read_rule(struct reader *reader, config_setting_t *group)
{
	struct rule *rule;
	int status = 0;

	if (!config_setting_is_group(group))
		return fail(reader, group, "rules: each must be a group, { id = \"...\"; ... }");
	rule = xcalloc(1, sizeof(*rule));
	for (int i = 0; status == 0 && i < config_setting_length(group); i++)
		status = take_field(reader, rule, config_setting_get_elem(group, (unsigned)i));
	if (status == 0)
		status = check_rule(reader, rule, group);
	if (status == 0)
		add_rule(reader, rule);
	else
		rule_free(rule);
	return status;
}

/* ---- the file ---- */

static int
read_rules(struct reader *reader, config_setting_t *list)
{
	if (!config_setting_is_list(list) || config_setting_length(list) > REPLY_RULES_MAX)
		return fail(reader, list,
		    "rules: must be a list of at most %d rules, ( { ... }, { ... } )",
		    REPLY_RULES_MAX);
	for (int i = 0; i < config_setting_length(list); i++)
		if (read_rule(reader, config_setting_get_elem(list, (unsigned)i)) != 0)
			return -1;
	return 0;
}

static int
read_root(struct reader *reader, config_setting_t *root)
{
	int status = 0;

	for (int i = 0; status == 0 && i < config_setting_length(root); i++) {
		config_setting_t *setting = config_setting_get_elem(root, (unsigned)i);
		const char *name = config_setting_name(setting);

		if (strcmp(name, "rules") == 0)
			status = read_rules(reader, setting);
		else if (strcmp(name, "builtin") != 0)
			status = fail(reader, setting,
			    "%.60s: unknown; the file has rules, and builtin", name);
		else if (config_setting_type(setting) != CONFIG_TYPE_BOOL)
			status = fail(reader, setting, "builtin: must be true or false");
		else
			reader->wants_builtin = config_setting_get_bool(setting);
	}
	return status;
}

static int
read_text(struct reader *reader, const char *text)
{
	config_t tree;
	int status;

	config_init(&tree);
	/* Nothing is below it: rules include no files. */
	config_set_include_dir(&tree, "/dev/null");
	if (config_read_string(&tree, text))
		status = read_root(reader, config_root_setting(&tree));
	else
		status = err_set(reader->err_out,
		    "%s:%d: %s; between rules stands a comma, behind the last one none, and "
		    "behind each setting of a rule a semicolon",
		    reader->file, config_error_line(&tree), config_error_text(&tree));
	config_destroy(&tree);
	return status;
}

static int
read_both(struct reader *reader, const char *text, size_t size)
{
	char *copy;
	int status;

	if (size > REPLY_FILE_BYTES_MAX || memchr(text, '\0', size) != NULL)
		return err_set(reader->err_out, "%s: must be a text of at most %u KiB",
		    reader->file, REPLY_FILE_BYTES_MAX / 1024);
	copy = xstrndup(text, size);
	status = read_text(reader, copy);
	free(copy);
	reader->own_count = reader->rules->count;
	if (status != 0 || !reader->wants_builtin)
		return status;
	reader->file = "built-in replies.conf";
	return read_text(reader, reply_rules_builtin);
}

int
reply_rules_parse(const char *file, const char *text, size_t size, struct reply_rules **rules_out,
    struct err *err_out)
{
	struct reader reader = {.file = file,
	    .rules = xcalloc(1, sizeof(*reader.rules)),
	    .wants_builtin = true,
	    .err_out = err_out};

	reader.rules->references = 1;
	if (read_both(&reader, size == 0 ? "" : text, size) != 0) {
		reply_rules_release(reader.rules);
		return -1;
	}
	*rules_out = reader.rules;
	return 0;
}
