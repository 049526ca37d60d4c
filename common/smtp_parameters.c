/* smtp_parameters - a row for each parameter of MAIL and of RCPT. */
#include "common/smtp_parameters.h"

#include "common/clock.h"
#include "common/mailaddr.h"
#include "common/octet.h"
#include "common/xtext.h"

#include <string.h>
#include <strings.h>

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

	while (*length > 0 && octet_is_blank(**text)) {
		(*text)++;
		(*length)--;
	}
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
		if (!octet_is_alphanumeric(text[i]) && text[i] != '-')
			return false;
	return true;
}

static bool
is_word(const char *text, size_t length, const char *word)
{
	return length == strlen(word) && strncasecmp(text, word, length) == 0;
}

/* Digits only; too large a number is UINT64_MAX. */
static bool
read_number(const char *text, size_t length, uint64_t *number_out)
{
	uint64_t number = 0;

	if (length == 0)
		return false;
	for (size_t i = 0; i < length; i++) {
		uint64_t digit = (uint64_t)(text[i] - '0');

		if (text[i] < '0' || text[i] > '9')
			return false;
		if (number > (UINT64_MAX - digit) / 10)
			number = UINT64_MAX;
		else
			number = number * 10 + digit;
	}
	*number_out = number;
	return true;
}

/* ---- MAIL ---- */

static bool
take_size(const char *value, size_t length, struct smtp_mail_parameters *out)
{
	out->has_size = true;
	return length <= 20 && read_number(value, length, &out->size_bytes); /* 1*20DIGIT */
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

static bool
take_smtputf8(const char *value, size_t length, struct smtp_mail_parameters *out)
{
	out->is_smtputf8 = true;
	return value == NULL;
}

static bool
take_ret(const char *value, size_t length, struct smtp_mail_parameters *out)
{
	if (is_word(value, length, "FULL"))
		out->ret = SMTP_RET_FULL;
	else if (is_word(value, length, "HDRS"))
		out->ret = SMTP_RET_HDRS;
	else
		return false;
	return true;
}

static bool
take_envid(const char *value, size_t length, struct smtp_mail_parameters *out)
{
	char decoded[SMTP_ENVID_MAX + 1];

	if (length == 0 || !xtext_decode(value, length, decoded, sizeof(decoded)))
		return false;
	memcpy(out->envid, value, length);
	out->envid[length] = '\0';
	return true;
}

static bool
is_mailbox(const char *text)
{
	struct mailaddr address;

	return mailaddr_parse(text, strlen(text), &address, NULL) == MAILADDR_OK;
}

/* The mailbox is checked and, as from any client that isn't a trusted server, not passed on. */
static bool
take_auth(const char *value, size_t length, struct smtp_mail_parameters *out)
{
	char decoded[MAILADDR_SIZE];

	out->has_auth = true;
	if (is_word(value, length, "<>"))
		return true;
	if (xtext_decode(value, length, decoded, sizeof(decoded)) && is_mailbox(decoded))
		return true;
	/* RFC 6531 has the other encoding for mailboxes that aren't ASCII. */
	return xtext_decode_utf8(value, length, true, decoded, sizeof(decoded)) &&
	       is_mailbox(decoded);
}

static bool
take_requiretls(const char *value, size_t length, struct smtp_mail_parameters *out)
{
	out->requires_tls = true;
	return value == NULL;
}

static bool
take_hold_for(const char *value, size_t length, struct smtp_mail_parameters *out)
{
	uint64_t seconds;

	if (length > 9 || !read_number(value, length, &seconds) || value[0] == '0')
		return false;
	out->hold_for_s = (uint32_t)seconds;
	return true;
}

static bool
take_hold_until(const char *value, size_t length, struct smtp_mail_parameters *out)
{
	out->has_hold_until = true;
	return clock_parse_rfc3339(value, length, &out->hold_until_at_ms);
}

static bool
take_mt_priority(const char *value, size_t length, struct smtp_mail_parameters *out)
{
	bool is_negative = length == 2 && value[0] == '-' && value[1] != '0';

	if (is_negative)
		value++;
	if (length != (is_negative ? 2 : 1) || value[0] < '0' || value[0] > '9')
		return false;
	out->has_mt_priority = true;
	out->mt_priority = is_negative ? '0' - value[0] : value[0] - '0';
	return true;
}

/* clang-format off */
static const struct mail_row {
	const char *key, *allowed;
	bool (*take)(const char *value, size_t length, struct smtp_mail_parameters *out);
	bool has_no_value;
} mail_rows[] = {
	{"SIZE",        "SIZE= takes a number of octets", take_size, false},
	{"BODY",        "BODY= takes 7BIT or 8BITMIME", take_body, false},
	{"SMTPUTF8",    "SMTPUTF8 takes no value", take_smtputf8, true},
	{"RET",         "RET= takes FULL or HDRS", take_ret, false},
	{"ENVID",       "ENVID= takes at most 100 printable characters as xtext", take_envid, false},
	{"AUTH",        "AUTH= takes a mailbox as xtext, or <>", take_auth, false},
	{"HOLDFOR",     "HOLDFOR= takes a number of seconds from 1 to 999999999", take_hold_for, false},
	{"HOLDUNTIL",   "HOLDUNTIL= takes a time as 2026-03-01T12:31:04Z", take_hold_until, false},
	{"MT-PRIORITY", "MT-PRIORITY= takes a number from -9 to 9", take_mt_priority, false},
	{"REQUIRETLS",  "REQUIRETLS takes no value", take_requiretls, true},
};
/* clang-format on */
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
		const struct mail_row *row = &mail_rows[i];

		if (!is_word(parameter->key, parameter->key_length, row->key))
			continue;
		if (*seen & 1u << i)
			return malformed("A parameter is given twice", err_out);
		*seen |= 1u << i;
		if ((parameter->value == NULL) != row->has_no_value ||
		    !row->take(parameter->value, parameter->value_length, out))
			return malformed(row->allowed, err_out);
		return SMTP_PARAMETERS_OK;
	}
	return unknown(parameter, err_out);
}

enum smtp_parameters_outcome
smtp_parameters_parse_mail(const char *text, size_t length,
    struct smtp_mail_parameters *parameters_out, struct err *err_out)
{
	enum smtp_parameters_outcome outcome = SMTP_PARAMETERS_OK;
	struct parameter parameter;
	unsigned seen = 0;

	*parameters_out = (struct smtp_mail_parameters){0};
	while (outcome == SMTP_PARAMETERS_OK && take_parameter(&text, &length, &parameter))
		outcome = take_mail_parameter(&parameter, &seen, parameters_out, err_out);
	if (outcome == SMTP_PARAMETERS_OK && parameters_out->hold_for_s != 0 &&
	    parameters_out->has_hold_until)
		return malformed("HOLDFOR= and HOLDUNTIL= exclude each other", err_out);
	return outcome;
}

/* ---- RCPT ---- */

/* The first word of the list and the comma behind it; a bit, or 0. */
static unsigned
take_notify_word(const char **text, size_t *length)
{
	static const struct {
		const char *word;
		unsigned bit;
	} words[] = {{"NEVER", SMTP_NOTIFY_NEVER}, {"SUCCESS", SMTP_NOTIFY_SUCCESS},
	    {"FAILURE", SMTP_NOTIFY_FAILURE}, {"DELAY", SMTP_NOTIFY_DELAY}};
	const char *comma = memchr(*text, ',', *length);
	size_t size = comma == NULL ? *length : (size_t)(comma - *text);
	unsigned bit = 0;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (is_word(*text, size, words[i].word))
			bit = words[i].bit;
	if (comma != NULL && size + 1 == *length)
		return 0; /* nothing follows the comma */
	*text += comma == NULL ? size : size + 1;
	*length -= comma == NULL ? size : size + 1;
	return bit;
}

static bool
take_notify(const char *value, size_t length, struct smtp_rcpt_parameters *out)
{
	do {
		unsigned bit = take_notify_word(&value, &length);

		if (bit == 0 || out->notify & (bit | SMTP_NOTIFY_NEVER) ||
		    (bit == SMTP_NOTIFY_NEVER && out->notify != 0))
			return false;
		out->notify |= bit;
	} while (length > 0);
	return true;
}

/* `rfc822;xtext`, `utf-8;…` (RFC 6533 3), or a type that we don't know */
static bool
take_orcpt(const char *value, size_t length, bool is_smtputf8, struct smtp_rcpt_parameters *out)
{
	const char *semicolon = memchr(value, ';', length);
	char decoded[SMTP_ORCPT_MAX + 1];
	size_t type;
	bool is_good;

	if (semicolon == NULL || length > SMTP_ORCPT_MAX)
		return false;
	type = (size_t)(semicolon - value);
	if (!is_keyword(value, type) || type + 1 == length)
		return false;
	if (is_word(value, type, "utf-8"))
		is_good = xtext_decode_utf8(
		    semicolon + 1, length - type - 1, is_smtputf8, decoded, sizeof(decoded));
	else
		is_good = xtext_decode(semicolon + 1, length - type - 1, decoded, sizeof(decoded));
	if (!is_good)
		return false;
	memcpy(out->orcpt, value, length);
	out->orcpt[length] = '\0';
	return true;
}

static enum smtp_parameters_outcome
take_rcpt_parameter(const struct parameter *parameter, bool is_smtputf8,
    struct smtp_rcpt_parameters *out, struct err *err_out)
{
	const char *value = parameter->value;
	size_t length = parameter->value_length;

	if (is_word(parameter->key, parameter->key_length, "NOTIFY")) {
		if (out->notify != SMTP_NOTIFY_UNSAID)
			return malformed("A parameter is given twice", err_out);
		if (value == NULL || !take_notify(value, length, out))
			return malformed("NOTIFY= takes NEVER, or some of SUCCESS,FAILURE,DELAY "
					 "once each",
			    err_out);
		return SMTP_PARAMETERS_OK;
	}
	if (is_word(parameter->key, parameter->key_length, "ORCPT")) {
		if (out->orcpt[0] != '\0')
			return malformed("A parameter is given twice", err_out);
		if (value == NULL || !take_orcpt(value, length, is_smtputf8, out))
			return malformed("ORCPT= takes rfc822; or utf-8; and an address as "
					 "xtext, at most 500 characters",
			    err_out);
		return SMTP_PARAMETERS_OK;
	}
	return unknown(parameter, err_out);
}

enum smtp_parameters_outcome
smtp_parameters_parse_rcpt(const char *text, size_t length, bool is_smtputf8,
    struct smtp_rcpt_parameters *parameters_out, struct err *err_out)
{
	enum smtp_parameters_outcome outcome = SMTP_PARAMETERS_OK;
	struct parameter parameter;

	*parameters_out = (struct smtp_rcpt_parameters){0};
	while (outcome == SMTP_PARAMETERS_OK && take_parameter(&text, &length, &parameter))
		outcome = take_rcpt_parameter(&parameter, is_smtputf8, parameters_out, err_out);
	return outcome;
}
