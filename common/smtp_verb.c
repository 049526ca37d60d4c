/* smtp_verb - what is on a command line (RFC 5321 4.1.1). */
#include "common/smtp_verb.h"

#include "common/octet.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static void
trim(const char **text, size_t *length)
{
	while (*length > 0 && octet_is_blank(**text)) {
		(*text)++;
		(*length)--;
	}
	while (*length > 0 && octet_is_blank((*text)[*length - 1]))
		(*length)--;
}

bool
smtp_verb_split(const char *line, size_t length, struct smtp_verb *verb_out)
{
	size_t word = 0;

	*verb_out = (struct smtp_verb){.argument = line};
	if (octet_has_control(line, length, "\t"))
		return false;
	while (word < length && !octet_is_blank(line[word]))
		word++;
	if (word < SMTP_VERB_SIZE)
		for (size_t i = 0; i < word; i++)
			verb_out->name[i] = (char)toupper((unsigned char)line[i]);
	verb_out->argument = line + word;
	verb_out->argument_length = length - word;
	trim(&verb_out->argument, &verb_out->argument_length);
	return true;
}

bool
smtp_verb_drop_keyword(struct smtp_verb *verb, const char *keyword)
{
	size_t length = strlen(keyword);

	if (verb->argument_length < length || strncasecmp(verb->argument, keyword, length) != 0)
		return false;
	verb->argument += length;
	verb->argument_length -= length;
	return true;
}

/* esmtp-param: KEY or KEY=VALUE */
struct parameter {
	const char *key, *value; /* value is NULL without `=` */
	size_t key_length, value_length;
};

/* Takes the next one off the text. */
static bool
take_parameter(const char **text, size_t *length, struct parameter *out)
{
	const char *equals;
	size_t size = 0;

	trim(text, length);
	while (size < *length && !octet_is_blank((*text)[size]))
		size++;
	*out = (struct parameter){.key = *text, .key_length = size};
	equals = memchr(*text, '=', size);
	if (equals != NULL) {
		out->value = equals + 1;
		out->key_length = (size_t)(equals - *text);
		out->value_length = size - out->key_length - 1;
	}
	*text += size;
	*length -= size;
	return size > 0;
}

static bool
is_keyword(const char *text, size_t length)
{
	if (length == 0 || text[0] == '-')
		return false;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] >= 0x80 ||
		    (!isalnum((unsigned char)text[i]) && text[i] != '-'))
			return false;
	return true;
}

static bool
is_word(const char *text, size_t length, const char *word)
{
	return length == strlen(word) && strncasecmp(text, word, length) == 0;
}

static bool
take_size(const char *value, size_t length, struct smtp_mail_parameters *out)
{
	if (length == 0 || length > 20) /* size-value = 1*20DIGIT */
		return false;
	for (size_t i = 0; i < length; i++) {
		uint64_t digit = (uint64_t)(value[i] - '0');

		if (value[i] < '0' || value[i] > '9')
			return false;
		if (out->size_bytes > (UINT64_MAX - digit) / 10)
			out->size_bytes = UINT64_MAX;
		else
			out->size_bytes = out->size_bytes * 10 + digit;
	}
	out->has_size = true;
	return true;
}

static bool
take_body(const char *value, size_t length, struct smtp_mail_parameters *out)
{
	if (is_word(value, length, "7BIT"))
		out->body = SMTP_BODY_7BIT;
	else if (is_word(value, length, "8BITMIME"))
		out->body = SMTP_BODY_8BITMIME;
	else
		return false;
	return true;
}

/* xtext (RFC 3461 4), or `<>` */
static bool
take_auth(const char *value, size_t length, struct smtp_mail_parameters *out)
{
	for (size_t i = 0; i < length; i++) {
		if (value[i] < 0x21 || value[i] > 0x7e || value[i] == '=')
			return false;
		if (value[i] != '+')
			continue;
		if (length - i < 3 || !isxdigit((unsigned char)value[i + 1]) ||
		    !isxdigit((unsigned char)value[i + 2]))
			return false;
		i += 2;
	}
	return true;
}

static const struct {
	const char *key, *allowed;
	bool (*take)(const char *value, size_t length, struct smtp_mail_parameters *out);
} mail_rows[] = {
    {"SIZE", "SIZE= takes a number of octets", take_size},
    {"BODY", "BODY= takes 7BIT or 8BITMIME", take_body},
    {"AUTH", "AUTH= takes a mailbox as xtext, or <>", take_auth},
};
#define MAIL_ROWS (sizeof(mail_rows) / sizeof(mail_rows[0]))

static enum smtp_parameters_outcome
malformed(const char *text, struct err *err_out)
{
	(void)err_set(err_out, "%s", text);
	return SMTP_PARAMETERS_MALFORMED;
}

static enum smtp_parameters_outcome
unknown(const struct parameter *parameter, struct err *err_out)
{
	if (!is_keyword(parameter->key, parameter->key_length))
		return malformed("Parameters are KEY or KEY=VALUE", err_out);
	(void)err_set(err_out, "Parameter %.*s is not supported",
	    (int)(parameter->key_length < 40 ? parameter->key_length : 40), parameter->key);
	return SMTP_PARAMETERS_UNKNOWN;
}

static enum smtp_parameters_outcome
take_mail_parameter(const struct parameter *parameter, unsigned *seen,
    struct smtp_mail_parameters *out, struct err *err_out)
{
	for (size_t i = 0; i < MAIL_ROWS; i++) {
		if (!is_word(parameter->key, parameter->key_length, mail_rows[i].key))
			continue;
		if (*seen & 1u << i)
			return malformed("A parameter is given twice", err_out);
		*seen |= 1u << i;
		if (parameter->value == NULL ||
		    !mail_rows[i].take(parameter->value, parameter->value_length, out))
			return malformed(mail_rows[i].allowed, err_out);
		return SMTP_PARAMETERS_OK;
	}
	return unknown(parameter, err_out);
}

enum smtp_parameters_outcome
smtp_verb_parse_mail(const char *text, size_t length, struct smtp_mail_parameters *parameters_out,
    struct err *err_out)
{
	enum smtp_parameters_outcome outcome = SMTP_PARAMETERS_OK;
	struct parameter parameter;
	unsigned seen = 0;

	*parameters_out = (struct smtp_mail_parameters){0};
	while (outcome == SMTP_PARAMETERS_OK && take_parameter(&text, &length, &parameter))
		outcome = take_mail_parameter(&parameter, &seen, parameters_out, err_out);
	return outcome;
}

enum smtp_parameters_outcome
smtp_verb_parse_rcpt(const char *text, size_t length, struct err *err_out)
{
	struct parameter parameter;

	return take_parameter(&text, &length, &parameter) ? unknown(&parameter, err_out)
							  : SMTP_PARAMETERS_OK;
}
