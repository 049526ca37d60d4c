/* value - numbers, durations, items, files and the line of stdin that options take. */
#include "ctl/value.h"

#include "common/buf.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>

#define FILE_MAX (64 * 1024)
#define LINE_MAX_BYTES 4096

static enum args_outcome
parse_number(
    const struct option_row *row, const char *text, json_t **value_out, struct err *err_out)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0) {
		(void)err_set(err_out, "--%s: \"%s\" is not a whole number", row->name, text);
		return ARGS_USAGE;
	}
	*value_out = json_integer(number);
	return ARGS_OK;
}

static enum args_outcome
parse_yes_no(
    const struct option_row *row, const char *text, json_t **value_out, struct err *err_out)
{
	if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0) {
		(void)err_set(err_out, "--%s: \"%s\" is not yes or no", row->name, text);
		return ARGS_USAGE;
	}
	*value_out = json_boolean(strcmp(text, "yes") == 0);
	return ARGS_OK;
}

/* Blanks around an item are ignored, and so are empty ones: "" is the empty list. Separators alone
 * are refused: they may be what an empty variable left of a list. */
static enum args_outcome
parse_items(const struct option_row *row, const char *text, json_t **value_out, struct err *err_out)
{
	bool is_given = *text != '\0';

	*value_out = json_array();
	while (*text != '\0') {
		size_t size = strcspn(text, ";,");
		const char *item = text + strspn(text, " \t");
		const char *end = text + size;

		while (end > item && (end[-1] == ' ' || end[-1] == '\t'))
			end--;
		if (end > item) {
			json_t *string = json_stringn(item, (size_t)(end - item));

			if (string == NULL) {
				json_decref(*value_out);
				(void)err_set(err_out, "--%s: not UTF-8", row->name);
				return ARGS_USAGE;
			}
			(void)json_array_append_new(*value_out, string);
		}
		text += size + (text[size] != '\0');
	}
	if (is_given && json_array_size(*value_out) == 0) {
		json_decref(*value_out);
		(void)err_set(err_out,
		    "--%s: has separators but no item; only \"\" takes the items away", row->name);
		return ARGS_USAGE;
	}
	return ARGS_OK;
}

static int
parse_seconds(const char *text, double *seconds_out)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = {{"ms", 0.001}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
	char *end;
	unsigned long long number;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || errno != 0 || number > 1000000000)
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) == 0) {
			*seconds_out = (double)number * units[i].seconds;
			return 0;
		}
	}
	return -1;
}

static enum args_outcome
parse_duration(
    const struct option_row *row, const char *text, json_t **value_out, struct err *err_out)
{
	double seconds;

	if (parse_seconds(text, &seconds) < 0) {
		(void)err_set(err_out,
		    "--%s: \"%s\" is not a duration: a number and ms, s, m, h or d, as in 60s",
		    row->name, text);
		return ARGS_USAGE;
	}
	*value_out = seconds == (double)(json_int_t)seconds ? json_integer((json_int_t)seconds)
							    : json_string(text);
	return ARGS_OK;
}

static enum args_outcome
parse_text(const struct option_row *row, const char *text, json_t **value_out, struct err *err_out)
{
	*value_out = json_string(text);
	if (*value_out == NULL) {
		(void)err_set(err_out, "--%s: not UTF-8", row->name);
		return ARGS_USAGE;
	}
	return ARGS_OK;
}

static enum args_outcome
read_file(const struct option_row *row, const char *path, json_t **value_out, struct err *err_out)
{
	char bytes[FILE_MAX + 1];
	FILE *file;
	size_t size;

	/* Takes away what there was. */
	if (*path == '\0') {
		*value_out = json_string("");
		return ARGS_OK;
	}
	if (*path == '@')
		path++;
	file = fopen(path, "re");
	if (file == NULL) {
		(void)err_set(err_out, "--%s: can't read %s: %s", row->name, path, strerror(errno));
		return ARGS_REFUSED;
	}
	size = fread(bytes, 1, sizeof(bytes), file);
	if (ferror(file) || size > FILE_MAX)
		(void)err_set(err_out, "--%s: can't read %s: %s", row->name, path,
		    ferror(file) ? strerror(errno) : "it is larger than 64 KiB");
	/* A NUL is UTF-8, but no text. */
	*value_out = ferror(file) || size > FILE_MAX || memchr(bytes, '\0', size) != NULL
			 ? NULL
			 : json_stringn(bytes, size);
	if (!ferror(file) && size <= FILE_MAX && *value_out == NULL)
		(void)err_set(err_out, "--%s: %s is not text", row->name, path);
	(void)fclose(file);
	return *value_out == NULL ? ARGS_REFUSED : ARGS_OK;
}

/* An editor ends a file with a newline, which is no part of a secret. */
static enum args_outcome
read_secret(const struct option_row *row, const char *path, json_t **value_out, struct err *err_out)
{
	enum args_outcome outcome = read_file(row, path, value_out, err_out);
	const char *text = outcome == ARGS_OK ? json_string_value(*value_out) : "";
	size_t size = strlen(text);
	json_t *secret;

	while (size > 0 && strchr(" \t\r\n", text[size - 1]) != NULL)
		size--;
	if (outcome != ARGS_OK)
		return outcome;
	secret = json_stringn(text, size);
	json_decref(*value_out);
	*value_out = secret;
	if (size > 0 || *path == '\0')
		return ARGS_OK;
	json_decref(secret);
	(void)err_set(err_out, "--%s: %s is empty", row->name, path);
	return ARGS_REFUSED;
}

/* ^C ends the reading, not the program: echo has to come back first. */
static void
on_interrupt(int number)
{
}

/* A terminal that a person types at: it is asked for the line, and doesn't show it. */
struct terminal {
	bool is_hidden;
	struct termios shown;
	struct sigaction interrupt;
};

static void
terminal_hide(struct terminal *terminal, FILE *input, const char *what)
{
	struct sigaction stop_reading = {.sa_handler = on_interrupt};
	struct termios hidden;

	terminal->is_hidden = tcgetattr(fileno(input), &terminal->shown) == 0;
	if (!terminal->is_hidden)
		return;
	(void)fprintf(stderr, "%.*s: ", (int)(strlen(what) - strlen("-stdin")), what);
	hidden = terminal->shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	hidden.c_lflag |= ECHONL;
	(void)sigaction(SIGINT, &stop_reading, &terminal->interrupt);
	(void)tcsetattr(fileno(input), TCSAFLUSH, &hidden);
}

static void
terminal_show(const struct terminal *terminal, FILE *input)
{
	if (!terminal->is_hidden)
		return;
	(void)tcsetattr(fileno(input), TCSAFLUSH, &terminal->shown);
	(void)sigaction(SIGINT, &terminal->interrupt, NULL);
}

/* One line without its end, which may be that of a file from Windows. -1: there is none; more than
 * LINE_MAX_BYTES: it is too long. */
static int
get_line(FILE *input, char line[static LINE_MAX_BYTES + 2])
{
	int size = 0, byte;

	while ((byte = getc(input)) != EOF && byte != '\n' && size <= LINE_MAX_BYTES)
		line[size++] = (char)byte;
	if (byte == EOF && size == 0)
		return -1;
	if (size > 0 && byte == '\n' && line[size - 1] == '\r')
		size--;
	line[size] = '\0';
	return size;
}

/* Why it can't be a secret, or NULL. */
static const char *
line_problem(const char *line, int size)
{
	if (size < 0)
		return "there is no line on stdin";
	if (size > LINE_MAX_BYTES)
		return "the line on stdin is too long";
	for (int i = 0; i < size; i++)
		if (iscntrl((unsigned char)line[i]))
			return "the line on stdin has a control character in it, which is not "
			       "allowed";
	return NULL;
}

/* A line: a password never stands on a command line, where others see it. An empty one takes away
 * what there was. */
static enum args_outcome
read_line(const struct option_row *row, FILE *input, json_t **value_out, struct err *err_out)
{
	char line[LINE_MAX_BYTES + 2];
	struct terminal terminal;
	const char *problem;
	int size;

	terminal_hide(&terminal, input, row->name);
	size = get_line(input, line);
	terminal_show(&terminal, input);
	problem = line_problem(line, size);
	if (problem == NULL && (*value_out = json_stringn(line, (size_t)size)) == NULL)
		problem = "the line on stdin is not UTF-8";
	explicit_bzero(line, sizeof(line));
	if (problem == NULL)
		return ARGS_OK;
	(void)err_set(err_out, "--%s: %s", row->name, problem);
	return ARGS_REFUSED;
}

enum args_outcome
value_parse(const struct option_row *row, const char *text, FILE *input, json_t **value_out,
    struct err *err_out)
{
	*value_out = NULL;
	switch (row->type) {
	case VALUE_FLAG:
		*value_out = json_true();
		return ARGS_OK;
	case VALUE_TEXT:
		return parse_text(row, text, value_out, err_out);
	case VALUE_NUMBER:
		return parse_number(row, text, value_out, err_out);
	case VALUE_YES_NO:
		return parse_yes_no(row, text, value_out, err_out);
	case VALUE_ITEMS:
		return parse_items(row, text, value_out, err_out);
	case VALUE_DURATION:
		return parse_duration(row, text, value_out, err_out);
	case VALUE_FILE:
		return read_file(row, text, value_out, err_out);
	case VALUE_LINES:
		return text[0] == '@' ? read_file(row, text + 1, value_out, err_out)
				      : parse_text(row, text, value_out, err_out);
	case VALUE_SECRET:
		return read_secret(row, text, value_out, err_out);
	case VALUE_STDIN:
		return read_line(row, input, value_out, err_out);
	case VALUE_LATER:
		break;
	}
	ensure(!"an option of a later version has no value");
	return ARGS_REFUSED;
}
