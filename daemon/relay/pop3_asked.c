/* pop3_asked - what servers say when a login by POP3 has to come first. */
#include "daemon/relay/pop3_asked.h"

#include <stddef.h>
#include <string.h>

bool
pop3_is_asked(const char *text)
{
	static const char *const phrases[] = {
	    "pop before smtp",
	    "pop-before-smtp",
	    "pop3 before smtp",
	    "pop3-before-smtp",
	    "pop before you send",
	    "pop before send",
	    "smtp after pop",
	    "smtp-after-pop",
	    "smtp after-pop",
	    "pop first",
	    "pop3 first",
	    "by pop",
	    "via pop",
	    "with pop",
	    "using pop",
	    "use pop",
	    "pop auth",
	    "pop3 auth",
	    "pop login",
	    "pop3 login",
	    "check mail first",
	    "check your mail first",
	    "check your mail before",
	    "check mail before",
	    "check for new mail",
	    "check for mail before",
	    "get your mail first",
	    "retrieve your mail",
	    "retrieve mail first",
	    "receive mail before",
	    "receive your mail first",
	    NULL,
	};

	for (size_t i = 0; phrases[i] != NULL; i++)
		if (strcasestr(text, phrases[i]) != NULL)
			return true;
	return false;
}
