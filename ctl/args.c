/* args - reads the options of a command by its table. */
#include "ctl/args.h"

#include "ctl/value.h"

#include <string.h>

#define NAME_SIZE 64

static const struct option_row *
find_option(const struct command *command, const char *name, size_t size)
{
	if (command->options == NULL)
		return NULL;
	for (const struct option_row *row = command->options; row->name != NULL; row++)
		if (strlen(row->name) == size && memcmp(row->name, name, size) == 0)
			return row;
	return NULL;
}

static bool
takes_value(const struct option_row *row)
{
	return row->type != VALUE_FLAG && row->type != VALUE_STDIN &&
	       !(row->type == VALUE_LATER && row->value == NULL);
}

static void
field_name(const struct option_row *row, char name[static NAME_SIZE])
{
	static const char stdin_suffix[] = "-stdin";
	size_t size = strlen(row->name);

	if (row->type == VALUE_STDIN)
		size -= sizeof(stdin_suffix) - 1;
	(void)snprintf(name, NAME_SIZE, "%.*s", (int)size, row->name);
	for (char *at = name; *at != '\0'; at++)
		if (*at == '-')
			*at = '_';
}

/* Of two values one would be dropped without a word. */
static enum args_outcome
refuse_second(const struct option_row *row, struct err *err_out)
{
	if (row->type == VALUE_STDIN)
		(void)err_set(err_out, "--%s: its value is given twice", row->name);
	else
		(void)err_set(err_out,
		    "--%s is given twice; what it takes, several values too, stands in one: --%s "
		    "%s",
		    row->name, row->name, row->value);
	return ARGS_USAGE;
}

/* One option, `text` being its value or NULL. */
static enum args_outcome
take_option(const struct option_row *row, const char *text, FILE *input, json_t *fields,
    struct err *err_out)
{
	char name[NAME_SIZE];
	json_t *value;
	enum args_outcome outcome;

	field_name(row, name);
	if (row->type != VALUE_FLAG && json_object_get(fields, name) != NULL)
		return refuse_second(row, err_out);
	if (row->type == VALUE_LATER) {
		(void)err_set(err_out, "--%s: not available in this version", row->name);
		return ARGS_REFUSED;
	}
	outcome = value_parse(row, text, input, &value, err_out);
	if (outcome == ARGS_OK)
		(void)json_object_set_new(fields, name, value);
	return outcome;
}

/* The option at *at, which is moved to its last word. */
static enum args_outcome
parse_option(const struct command *command, char **words, int word_count, int *at, FILE *input,
    json_t *fields, struct err *err_out)
{
	const char *name = words[*at] + 2;
	size_t size = strcspn(name, "=");
	const char *text = name[size] == '=' ? name + size + 1 : NULL;
	const struct option_row *row = find_option(command, name, size);

	if (strncmp(words[*at], "--", 2) != 0 || row == NULL) {
		(void)err_set(err_out, "%s: unknown option", words[*at]);
		return ARGS_USAGE;
	}
	if (!takes_value(row) && text != NULL) {
		(void)err_set(err_out, "--%s takes no value", row->name);
		return ARGS_USAGE;
	}
	if (takes_value(row) && text == NULL) {
		if (*at + 1 >= word_count) {
			(void)err_set(err_out, "--%s needs a value (%s)", row->name, row->value);
			return ARGS_USAGE;
		}
		text = words[++*at];
	}
	return take_option(row, text, input, fields, err_out);
}

/* What follows `--` is a name, and so an option there is one name too many. */
static enum args_outcome
refuse_operand(const struct command *command, const char *word, struct err *err_out)
{
	const char *hint = word[0] == '-' ? " (options stand before --)" : "";

	if (command->operands_max == 0)
		(void)err_set(err_out, "this command takes no names, so no \"%s\"%s", word, hint);
	else
		(void)err_set(err_out, "too many names: \"%s\"%s; one is taken: %s", word, hint,
		    command->operands);
	return ARGS_USAGE;
}

static enum args_outcome
check_operands(const struct command *command, char **words, unsigned count, struct err *err_out)
{
	if (count < command->operands_min) {
		(void)err_set(err_out, "%s is missing", command->operands);
		return ARGS_USAGE;
	}
	if (count > command->operands_max)
		return refuse_operand(command, words[command->operands_max], err_out);
	/* Of a script whose variable is not set: it must not come to name a whole collection. */
	for (unsigned i = 0; i < count; i++) {
		if (words[i][0] == '\0') {
			(void)err_set(err_out, "\"\" names nothing: %s", command->operands);
			return ARGS_USAGE;
		}
	}
	return ARGS_OK;
}

enum args_outcome
arguments_parse(const struct command *command, char **words, int word_count, FILE *input,
    struct arguments *arguments_out, struct err *err_out)
{
	enum args_outcome outcome = ARGS_OK;
	bool has_options = true; /* until `--` */
	unsigned operands = 0;
	json_t *fields = json_object();

	for (int i = 0; i < word_count && outcome == ARGS_OK; i++) {
		if (has_options && strcmp(words[i], "--") == 0)
			has_options = false;
		else if (has_options && words[i][0] == '-' && words[i][1] != '\0')
			outcome =
			    parse_option(command, words, word_count, &i, input, fields, err_out);
		else
			words[operands++] = words[i];
	}
	if (outcome == ARGS_OK)
		outcome = check_operands(command, words, operands, err_out);
	if (outcome != ARGS_OK) {
		json_decref(fields);
		return outcome;
	}
	*arguments_out = (struct arguments){words, operands, fields};
	return ARGS_OK;
}

void
arguments_fini(struct arguments *arguments)
{
	json_decref(arguments->fields);
	arguments->fields = NULL;
}

json_t *
arguments_take(struct arguments *arguments, const char *field)
{
	json_t *value = json_incref(json_object_get(arguments->fields, field));

	(void)json_object_del(arguments->fields, field);
	return value;
}

bool
arguments_take_flag(struct arguments *arguments, const char *field)
{
	json_t *value = arguments_take(arguments, field);

	json_decref(value);
	return value != NULL;
}
