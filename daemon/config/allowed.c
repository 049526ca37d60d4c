/* allowed - says what an option takes, for error messages and for the manual page. */
#include "daemon/config/table.h"

#include "common/buf.h"
#include "daemon/config/units.h"

#include <inttypes.h>

static void
allowed_choices(const struct option *option, struct err *text_out)
{
	struct buf names;

	buf_init(&names);
	for (const struct option_choice *choice = option->choices; choice->name != NULL; choice++)
		if (!choice->is_refused)
			buf_printf(&names, "%s%s", names.size > 0 ? " | " : "", choice->name);
	(void)err_set(text_out, "%s", names.bytes);
	buf_fini(&names);
}

static void
allowed_mechanisms(const struct option *option, struct err *text_out)
{
	struct err names;

	allowed_choices(option, &names);
	(void)err_set(
	    text_out, "one or more of %s, each once, with blanks between them", names.text);
}

static void
allowed_duration(const struct option *option, struct err *text_out)
{
	char minimum[UNIT_TEXT_SIZE], maximum[UNIT_TEXT_SIZE];
	bool is_list = option->type == OPTION_SCHEDULE;

	(void)err_set(text_out, "%s from \"%s\" to \"%s\" (units ms s m h d)%s",
	    is_list ? "durations" : "a duration", unit_duration_text(option->minimum, minimum),
	    unit_duration_text(option->maximum, maximum),
	    is_list ? ", 1 to 32 with blanks between them" : "");
}

static void
allowed_size(const struct option *option, struct err *text_out)
{
	char minimum[UNIT_TEXT_SIZE], maximum[UNIT_TEXT_SIZE];

	(void)err_set(text_out, "a size from \"%s\" to \"%s\" (units B K M G T)",
	    unit_size_text((uint64_t)option->minimum, minimum),
	    unit_size_text((uint64_t)option->maximum, maximum));
}

void
option_allowed(const struct option *option, struct err *text_out)
{
	static const char *const texts[] = {
	    [OPTION_BOOL] = "true or false",
	    [OPTION_CAP] = CAP_ALLOWED,
	    [OPTION_HOSTNAME] = "a host name, as \"relay.example.com\"",
	    [OPTION_ACCOUNT] = "the name of an account (a-z 0-9 _ -, at most 32)",
	    [OPTION_ADDRESS] = "\"*\", an IPv4 or an IPv6 address",
	    [OPTION_PORTS] = "ports from 1 to 65535 and ranges, as \"25,587,1025-5000\"",
	    [OPTION_NETWORK] = "an address or a network, as \"192.0.2.0/24\" or \"2001:db8::/32\", "
			       "with no bits set behind the prefix",
	    [OPTION_NETWORKS] = "addresses and networks, as \"192.0.2.0/24\" or "
				"\"2001:db8::/32\", with blanks between them, at most 1000",
	    [OPTION_HEADERS] =
		"names of header fields with blanks between them, at most 100, none of "
		"them Received, From or Sender",
	    [OPTION_REFUSED] = "absent",
	};

	switch (option->type) {
	case OPTION_NUMBER:
		(void)err_set(text_out, "a number from %" PRId64 " to %" PRId64, option->minimum,
		    option->maximum);
		break;
	case OPTION_LISTENERS:
	case OPTION_TRUSTED:
	case OPTION_PAIRS:
		(void)err_set(text_out,
		    "a list of %" PRId64 " to %" PRId64 " groups, ( { ... }, { ... } )",
		    option->minimum, option->maximum);
		break;
	case OPTION_PATH:
		(void)err_set(
		    text_out, "an absolute path of at most %" PRId64 " bytes", option->maximum);
		break;
	case OPTION_TEXT:
		(void)err_set(text_out,
		    "a text of %" PRId64 " to %" PRId64 " bytes, all of them printable",
		    option->minimum, option->maximum);
		break;
	case OPTION_LINES:
		(void)err_set(text_out, "UTF-8 text of %" PRId64 " to %" PRId64 " bytes",
		    option->minimum, option->maximum);
		break;
	case OPTION_DURATION:
	case OPTION_SCHEDULE:
		allowed_duration(option, text_out);
		break;
	case OPTION_SIZE:
		allowed_size(option, text_out);
		break;
	case OPTION_CHOICE:
		allowed_choices(option, text_out);
		break;
	case OPTION_MECHANISMS:
		allowed_mechanisms(option, text_out);
		break;
	default:
		(void)err_set(text_out, "%s", texts[option->type]);
	}
}
