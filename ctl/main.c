/* posternctl - the operator's tool: finds the command, reads its options, calls the daemon. */
#include "ctl/help.h"
#include "ctl/invocation.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SOCKET "/run/postern/control.sock" /* run_dir's default */

struct globals {
	const char *socket_path;
	bool is_json, is_help, is_version;
};

static const char *
default_socket(void)
{
	const char *from_environment = getenv("POSTERN_SOCKET");

	return from_environment != NULL && from_environment[0] != '\0' ? from_environment
								       : DEFAULT_SOCKET;
}

/* The global option at words[*at], which is moved to its last word; false when it is none. The
 * socket_path is NULL if its value is missing. */
static bool
take_global(struct globals *globals, char **words, int word_count, int *at)
{
	const char *word = words[*at];

	if (strcmp(word, "-j") == 0 || strcmp(word, "--json") == 0)
		globals->is_json = true;
	else if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0)
		globals->is_help = true;
	else if (strcmp(word, "-V") == 0 || strcmp(word, "--version") == 0)
		globals->is_version = true;
	else if (strncmp(word, "-s", 2) == 0 && word[2] != '\0')
		globals->socket_path = word + 2;
	else if (strcmp(word, "-s") == 0)
		globals->socket_path = ++*at < word_count ? words[*at] : NULL;
	else
		return false;
	return true;
}

/* Global options may stand anywhere up to `--`; the rest is moved to the front. Returns how many
 * words are left. */
static int
take_globals(struct globals *globals, char **words, int word_count)
{
	int left = 0;
	bool is_open = true;

	for (int i = 0; i < word_count; i++) {
		is_open = is_open && strcmp(words[i], "--") != 0;
		if (!is_open || !take_global(globals, words, word_count, &i))
			words[left++] = words[i];
	}
	return left;
}

static int
show_help(char **words, int word_count)
{
	const struct command *command;
	struct err err;
	int used;

	if (word_count == 0) {
		help_all(stdout, NULL);
		return STATUS_DONE;
	}
	command = command_find(words, word_count, &used, &err);
	if (command != NULL)
		help_command(stdout, command);
	else if (word_count == 1 && help_has_noun(words[0]))
		help_all(stdout, words[0]);
	else
		return invocation_fail(STATUS_USAGE, "%s", err.text);
	return STATUS_DONE;
}

static int
run(const struct globals *globals, const struct command *command, char **words, int word_count)
{
	struct invocation invocation = {.command = command, .is_json = globals->is_json};
	struct err err;
	int status;

	if (command->run == NULL)
		return invocation_fail(
		    STATUS_REFUSED, "%s: not available in this version", command->noun);
	switch (arguments_parse(command, words, word_count, stdin, &invocation.arguments, &err)) {
	case ARGS_OK:
		break;
	case ARGS_REFUSED:
		return invocation_fail(STATUS_REFUSED, "%s", err.text);
	case ARGS_USAGE:
		status = invocation_fail(STATUS_USAGE, "%s", err.text);
		help_usage(stderr, command);
		return status;
	}
	invocation.client = client_open(globals->socket_path);
	status = command->run(&invocation);
	client_close(invocation.client);
	arguments_fini(&invocation.arguments);
	return status;
}

static int
run_words(const struct globals *globals, char **words, int word_count)
{
	const struct command *command;
	struct err err;
	int used;

	if (word_count == 0) {
		help_all(stderr, NULL);
		return STATUS_USAGE;
	}
	command = command_find(words, word_count, &used, &err);
	if (command == NULL)
		return invocation_fail(STATUS_USAGE, "%s", err.text);
	return run(globals, command, words + used, word_count - used);
}

int
main(int argc, char **argv)
{
	struct globals globals = {.socket_path = default_socket()};
	char **words = argv + 1;
	int word_count = take_globals(&globals, words, argc - 1), status;

	if (globals.socket_path == NULL)
		return invocation_fail(
		    STATUS_USAGE, "-s needs a value: the path of the daemon's control socket");
	if (globals.is_version) {
		(void)printf("posternctl (postern) %s\n", PACKAGE_VERSION);
		return STATUS_DONE;
	}
	if (word_count > 0 && strcmp(words[0], "help") == 0)
		return show_help(words + 1, word_count - 1);
	if (globals.is_help)
		return show_help(words, word_count);
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	status = run_words(&globals, words, word_count);
	if (fflush(stdout) != 0 && status == STATUS_DONE)
		status = invocation_fail(STATUS_REFUSED, "can't write the result out");
	curl_global_cleanup();
	return status;
}
