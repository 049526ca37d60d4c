/* story - a line for each thing that happened. */
#include "ctl/story.h"

#include "ctl/table.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static const char *
text_of(const json_t *object, const char *field)
{
	const char *text = json_string_value(json_object_get(object, field));

	return text == NULL ? "" : text;
}

/* ` word VALUE`, if there is one. */
static void
print_if_any(FILE *out, const char *word, const json_t *object, const char *field)
{
	const json_t *value = json_object_get(object, field);

	if (value == NULL || json_is_null(value) || *text_of(object, field) == '\0')
		return;
	(void)fprintf(out, "%s", word);
	table_print_value(out, value);
}

static void
print_head(FILE *out, const json_t *message)
{
	static const struct {
		const char *heading, *field;
	} lines[] = {{"from", "from"}, {"From:", "header_from"}, {"subject", "subject"},
	    {"message-id", "message_id"}};
	const char *state = text_of(message, "state");

	(void)fprintf(out, "%s  %s\n", text_of(message, "id"), *state == '\0' ? "unknown" : state);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (*text_of(message, lines[i].field) == '\0')
			continue;
		(void)fprintf(out, "  %-11s ", lines[i].heading);
		table_print_value(out, json_object_get(message, lines[i].field));
		(void)fputc('\n', out);
	}
}

static void
print_acceptance(FILE *out, const json_t *message)
{
	json_int_t recipients = json_integer_value(json_object_get(message, "recipient_count"));
	bool is_notice = json_is_true(json_object_get(message, "is_notice"));

	(void)fprintf(out, "  %s  %s", text_of(message, "received_at"),
	    is_notice ? "written as a notice" : "accepted");
	print_if_any(out, " from ", message, "client");
	print_if_any(out, " as ", message, "user");
	print_if_any(out, " of ", message, "list");
	(void)fprintf(out, ", %" JSON_INTEGER_FORMAT " bytes",
	    json_integer_value(json_object_get(message, "size")));
	if (recipients > 0)
		(void)fprintf(out, ", %" JSON_INTEGER_FORMAT " recipient%s", recipients,
		    recipients == 1 ? "" : "s");
	if (json_is_integer(json_object_get(message, "priority")))
		(void)fprintf(out, ", priority %" JSON_INTEGER_FORMAT,
		    json_integer_value(json_object_get(message, "priority")));
	print_if_any(out, ", to be held until ", message, "hold_until");
	(void)fputc('\n', out);
}

static void
print_to(FILE *out, const json_t *attempt)
{
	const json_t *to = json_object_get(attempt, "to");
	json_int_t more = json_integer_value(json_object_get(attempt, "recipient_count")) -
			  (json_int_t)json_array_size(to);
	json_t *address;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)to, i, address)
	{
		(void)fputs(i == 0 ? " " : ", ", out);
		table_print_value(out, address);
	}
	if (more > 0)
		(void)fprintf(out, " and %" JSON_INTEGER_FORMAT " more", more);
}

static void
print_transcript(FILE *out, const char *transcript)
{
	while (*transcript != '\0') {
		size_t size = strcspn(transcript, "\n");
		json_t *line = json_stringn(
		    transcript, size > 0 && transcript[size - 1] == '\r' ? size - 1 : size);

		(void)fputs("      ", out);
		table_print_value(out, line);
		(void)fputc('\n', out);
		json_decref(line);
		transcript += size + (transcript[size] == '\n');
	}
}

static void
print_reply(FILE *out, const json_t *attempt)
{
	if (json_is_integer(json_object_get(attempt, "code")))
		(void)fprintf(out, " %" JSON_INTEGER_FORMAT,
		    json_integer_value(json_object_get(attempt, "code")));
	print_if_any(out, " ", attempt, "enhanced");
	print_if_any(out, " ", attempt, "reply");
}

/* What happened, to whom, through whom, and what was said. */
static void
print_attempt(FILE *out, const json_t *attempt)
{
	static const char *const fates[] = {
	    "delivered", "failed", "expired", "uncertain", "deferred", "not-sent"};
	static const char *const words[] = {"delivered to", "failed for", "expired for",
	    "may have been delivered to", "deferred for", "not sent"};
	const char *fate = text_of(attempt, "fate"), *word = fate;

	for (size_t i = 0; i < sizeof(fates) / sizeof(fates[0]); i++)
		if (strcmp(fate, fates[i]) == 0)
			word = words[i];
	(void)fprintf(out, "  %s  %s", text_of(attempt, "at"), word);
	print_to(out, attempt);
	print_if_any(out, " through ", attempt, "profile");
	print_if_any(out, ", ", attempt, "upstream");
	print_if_any(out, ", ", attempt, "tls");
	(void)fputc(':', out);
	/* The profile's problem has the upstream's words in it, code and all. */
	if (strcmp(fate, "not-sent") == 0)
		print_if_any(out, " ", attempt, "reply");
	else
		print_reply(out, attempt);
	print_if_any(out, "; next attempt ", attempt, "next_attempt_at");
	(void)fputc('\n', out);
	print_transcript(out, text_of(attempt, "transcript"));
}

static void
print_end(FILE *out, const json_t *message)
{
	const char *fate = text_of(message, "fate");

	if (*fate == '\0') {
		print_if_any(out, "  in the queue: ", message, "state");
		print_if_any(out, ", ", message, "reason");
		if (strcmp(text_of(message, "state"), "held") == 0)
			(void)fprintf(
			    out, ", until posternctl queue release %s", text_of(message, "id"));
		(void)fputc('\n', out);
	} else {
		(void)fprintf(out, "  %s  %s\n", text_of(message, "ended_at"),
		    strcmp(fate, "removed") == 0 ? "removed by an operator" : fate);
	}
}

void
story_print(FILE *out, const json_t *message)
{
	const json_t *attempts = json_object_get(message, "attempts");
	json_int_t left_out = json_integer_value(json_object_get(message, "attempts_left_out"));
	json_t *attempt;
	size_t i;

	print_head(out, message);
	print_acceptance(out, message);
	json_array_foreach((json_t *)(uintptr_t)attempts, i, attempt)
	{
		if (left_out > 0 && i == json_array_size(attempts) / 2)
			(void)fprintf(
			    out, "  … %" JSON_INTEGER_FORMAT " more attempts …\n", left_out);
		print_attempt(out, attempt);
	}
	print_end(out, message);
}
