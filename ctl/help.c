/* help - finds commands in the tables of the nouns, and explains them. */
#include "ctl/help.h"

#include "ctl/nouns.h"

#include <string.h>

const struct command *const command_tables[] = {
    list_commands,
    user_commands,
    profile_commands,
    provider_commands,
    explain_commands,
    queue_commands,
    track_commands,
    stats_commands,
    alert_commands,
    client_commands,
    tls_commands,
    daemon_commands,
    NULL,
};

static const struct command *
find_verb(const struct command *table, const char *noun, const char *verb)
{
	for (const struct command *command = table; command->noun != NULL; command++) {
		if (strcmp(command->noun, noun) != 0)
			continue;
		if (command->verb == NULL || (verb != NULL && strcmp(command->verb, verb) == 0))
			return command;
	}
	return NULL;
}

/* `add, set, show, rm or ls` */
static const char *
verbs_of(const struct command *table, char *buffer, size_t size)
{
	size_t used = 0;

	buffer[0] = '\0';
	for (const struct command *command = table; command->noun != NULL; command++) {
		const char *separator = used == 0 ? "" : command[1].noun == NULL ? " or " : ", ";

		used +=
		    (size_t)snprintf(buffer + used, size - used, "%s%s", separator, command->verb);
	}
	return buffer;
}

const struct command *
command_find(char *const *words, int word_count, int *used_out, struct err *err_out)
{
	const char *verb = word_count > 1 ? words[1] : NULL;
	char verbs[256];

	for (size_t i = 0; command_tables[i] != NULL; i++) {
		const struct command *command = find_verb(command_tables[i], words[0], verb);

		if (command != NULL) {
			*used_out = command->verb == NULL ? 1 : 2;
			return command;
		}
		if (strcmp(command_tables[i][0].noun, words[0]) != 0 ||
		    command_tables[i][0].verb == NULL)
			continue;
		(void)err_set(err_out, "%s %s: the command is one of %s", words[0],
		    verb == NULL ? "…" : verb, verbs_of(command_tables[i], verbs, sizeof(verbs)));
		return NULL;
	}
	(void)err_set(err_out, "%s: unknown command; see posternctl help", words[0]);
	return NULL;
}

static void
print_words(FILE *out, const struct command *command)
{
	(void)fprintf(out, "posternctl %s%s%s%s%s", command->noun, command->verb == NULL ? "" : " ",
	    command->verb == NULL ? "" : command->verb, command->operands[0] == '\0' ? "" : " ",
	    command->operands);
	if (command->options != NULL)
		(void)fputs(" [OPTION…]", out);
}

void
help_usage(FILE *out, const struct command *command)
{
	(void)fputs("usage: ", out);
	print_words(out, command);
	(void)fputc('\n', out);
}

void
help_command(FILE *out, const struct command *command)
{
	help_usage(out, command);
	if (command->run == NULL) {
		(void)fputs("       not available in this version\n", out);
		return;
	}
	(void)fprintf(out, "       %s\n", command->help);
	if (command->options == NULL)
		return;
	(void)fputc('\n', out);
	for (const struct option_row *row = command->options; row->name != NULL; row++)
		if (row->type != VALUE_LATER)
			(void)fprintf(out, "  --%s%s%s\n        %s\n", row->name,
			    row->value == NULL ? "" : " ", row->value == NULL ? "" : row->value,
			    row->help);
}

bool
help_has_noun(const char *noun)
{
	for (size_t i = 0; command_tables[i] != NULL; i++)
		if (strcmp(command_tables[i][0].noun, noun) == 0)
			return true;
	return false;
}

void
help_all(FILE *out, const char *noun)
{
	(void)fputs("usage: posternctl [-s SOCKET] [-j] COMMAND…\n\n", out);
	for (size_t i = 0; command_tables[i] != NULL; i++) {
		for (const struct command *command = command_tables[i]; command->noun != NULL;
		     command++) {
			if (command->run == NULL ||
			    (noun != NULL && strcmp(noun, command->noun) != 0))
				continue;
			(void)fputs("  ", out);
			print_words(out, command);
			(void)fprintf(out, "\n        %s\n", command->help);
		}
	}
	(void)fputs("\n  posternctl help COMMAND shows the options of one\n", out);
}
