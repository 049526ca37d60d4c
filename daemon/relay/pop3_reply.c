/* pop3_reply - +OK, -ERR and challenges; response codes. */
#include "daemon/relay/pop3_reply.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const char *
skip_blanks(const char *text)
{
	while (*text == ' ')
		text++;
	return text;
}

static bool
begins(const char *line, const char *word)
{
	size_t size = strlen(word);

	return strncasecmp(line, word, size) == 0 && (line[size] == ' ' || line[size] == '\0');
}

void
pop3_reply_read(const char *line, struct pop3_reply *reply_out)
{
	static const struct {
		const char *word;
		enum pop3_status status;
	} rows[] = {{"+OK", POP3_OK}, {"-ERR", POP3_ERR}, {"+", POP3_CONTINUES}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!begins(line, rows[i].word))
			continue;
		reply_out->status = rows[i].status;
		reply_out->text = skip_blanks(line + strlen(rows[i].word));
		return;
	}
	reply_out->status = POP3_NONE;
	reply_out->text = line;
}

static bool
has_word(const char *text, const char *const words[])
{
	for (size_t i = 0; words[i] != NULL; i++)
		if (strcasestr(text, words[i]) != NULL)
			return true;
	return false;
}

/* Most servers give no code. */
static enum attempt_outcome
by_words(const char *text)
{
	static const char *const tls[] = {"plaintext", "plain text", "cleartext", "encrypt", "STLS",
	    "SSL", "TLS", "secure connection", NULL};
	static const char *const unsupported[] = {"unknown command", "unsupported", "not supported",
	    "unrecognized", "mechanism", "authentication type", "not implemented",
	    "invalid command", "unimplemented", NULL};
	static const char *const judged[] = {"password", "credential", "authentication failed",
	    "login failed", "logon failure", NULL};
	static const char *const later[] = {"temporar", "try again", "try later", "later", "busy",
	    "locked by", "lock", "in use", "too many", "timeout", "timed out", NULL};

	if (has_word(text, tls))
		return ATTEMPT_TLS;
	if (has_word(text, unsupported))
		return ATTEMPT_MISCONFIGURED;
	if (has_word(text, judged))
		return ATTEMPT_AUTH_REFUSED;
	return has_word(text, later) ? ATTEMPT_AUTH_LATER : ATTEMPT_AUTH_REFUSED;
}

bool
pop3_is_too_early(const char *text)
{
	return strncasecmp(text, "[LOGIN-DELAY]", strlen("[LOGIN-DELAY]")) == 0;
}

enum attempt_outcome
pop3_refusal(const char *text)
{
	static const char *const clear[] = {
	    "plaintext authentication", "cleartext", "non-secure", "STLS", NULL};
	static const struct {
		const char *code;
		enum attempt_outcome outcome;
	} rows[] = {
	    {"[AUTH]", ATTEMPT_AUTH_REFUSED},
	    {"[SYS/TEMP]", ATTEMPT_AUTH_LATER},
	    {"[SYS/PERM]", ATTEMPT_AUTH_REFUSED},
	    {"[IN-USE]", ATTEMPT_AUTH_LATER},
	    {"[LOGIN-DELAY]", ATTEMPT_AUTH_LATER},
	};

	/* Dovecot's [AUTH] stands before both. */
	if (has_word(text, clear))
		return ATTEMPT_TLS;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strncasecmp(text, rows[i].code, strlen(rows[i].code)) == 0)
			return rows[i].outcome;
	return by_words(text);
}
