/* classify - from a reply to its class, and from that to a verdict. */
#include "daemon/relay/classify.h"

#include "common/clock.h"
#include "common/enhanced.h"
#include "daemon/relay/own_words.h"
#include "daemon/relay/pop3_asked.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void
reply_set(struct reply *reply, uint16_t code, const char *enhanced, const char *format, ...)
{
	va_list args;

	reply->code = code;
	(void)snprintf(reply->enhanced, sizeof(reply->enhanced), "%s", enhanced);
	va_start(args, format);
	(void)vsnprintf(reply->text, sizeof(reply->text), format, args);
	va_end(args);
}

static bool
is_success(enum phase phase, uint16_t code)
{
	return phase == PHASE_DATA ? code == 354 : code >= 200 && code < 300;
}

static bool
is_for_good(uint16_t code)
{
	return code >= 500 && code < 600;
}

static bool
is_for_now(uint16_t code)
{
	return code >= 400 && code < 500;
}

/* ---- the class, where no rule fits ---- */

/* 530 is said for both: "Authentication required", "Must issue a STARTTLS command first". */
static enum reply_class
class_of_login_code(uint16_t code, const char *words)
{
	if (code == 538 || strcasestr(words, "STARTTLS") != NULL)
		return REPLY_TLS_REQUIRED;
	return REPLY_AUTH_BAD;
}

static bool
is_login_code(uint16_t code)
{
	return code == 530 || code == 534 || code == 535 || code == 538;
}

static enum reply_class
class_before_mail(enum phase phase, uint16_t code)
{
	switch (phase) {
	case PHASE_STARTTLS:
		return REPLY_TLS_TEMP;
	case PHASE_TLS:
		return REPLY_TLS;
	case PHASE_AUTH:
		if (is_for_good(code))
			return REPLY_AUTH_BAD;
		return is_for_now(code) ? REPLY_AUTH_TEMP : REPLY_UNREACHABLE;
	default:
		return REPLY_UNREACHABLE;
	}
}

/* By subject and detail (RFC 3463); of a 5xx. */
static enum reply_class
class_of_enhanced(const struct enhanced *code)
{
	static const struct {
		uint16_t subject, detail;
		enum reply_class class;
	} rows[] = {
	    {2, 2, REPLY_MAILBOX_FULL},
	    {2, 3, REPLY_SIZE},
	    {3, 4, REPLY_SIZE},
	    {5, 3, REPLY_SPLIT},
	    {7, 8, REPLY_AUTH_BAD},
	    {7, 11, REPLY_TLS_REQUIRED},
	    {7, 13, REPLY_ACCOUNT_DISABLED},
	};
	static const enum reply_class subjects[] = {[1] = REPLY_BAD_RECIPIENT,
	    [2] = REPLY_BAD_RECIPIENT,
	    [6] = REPLY_CONTENT,
	    [7] = REPLY_POLICY};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].subject == code->subject && rows[i].detail == code->detail)
			return rows[i].class;
	return code->subject < sizeof(subjects) / sizeof(subjects[0]) ? subjects[code->subject]
								      : REPLY_NONE;
}

static enum reply_class
class_of_4xx(const struct enhanced *code)
{
	if (code->subject == 5 && code->detail == 3)
		return REPLY_SPLIT;
	if (code->subject == 2 && code->detail == 2)
		return REPLY_MAILBOX_FULL;
	return REPLY_TEMPORARY;
}

static enum reply_class
class_in_transaction(enum phase phase, const struct reply *reply, const char *words)
{
	struct enhanced code = {0};
	enum reply_class class;

	if (is_login_code(reply->code) && phase < PHASE_DOT)
		return class_of_login_code(reply->code, words);
	(void)enhanced_parse(reply->enhanced, strlen(reply->enhanced), &code);
	if (!is_for_good(reply->code))
		return class_of_4xx(&code);
	class = class_of_enhanced(&code);
	if (class != REPLY_NONE)
		return class;
	return phase == PHASE_RCPT ? REPLY_BAD_RECIPIENT : REPLY_REFUSED;
}

/* A reply that says nothing but when. */
static enum reply_class
class_with_time(enum phase phase, enum reply_class class)
{
	if (phase == PHASE_RCPT)
		return REPLY_RATE_RCPT;
	return class == REPLY_AUTH_TEMP || class == REPLY_TLS_TEMP ? class : REPLY_RATE;
}

static bool is_waiting_class(enum reply_class class)
{
	return reply_class_effect(class) == EFFECT_PAUSE || class == REPLY_RATE_RCPT ||
	       class == REPLY_MAILBOX_FULL || class == REPLY_TEMPORARY || class == REPLY_POLICY;
}

/* x.1.1 and its like: the address of the recipient, whatever is said beside. */
static bool
is_about_recipient(enum phase phase, const struct reply *reply)
{
	struct enhanced code = {0};

	(void)enhanced_parse(reply->enhanced, strlen(reply->enhanced), &code);
	return phase == PHASE_RCPT && code.subject == 1;
}

/* There is no code for it, and many rules fit parts of the words. */
static bool
find_pop3(const struct classifier *classifier, enum phase phase, const struct reply *reply,
    const char *words, struct verdict *verdict)
{
	if (phase >= PHASE_DOT || reply->code < 400 || is_about_recipient(phase, reply) ||
	    !pop3_is_asked(words))
		return false;
	verdict->class =
	    is_for_good(reply->code) && !classifier->has_pop3 ? REPLY_AUTH_BAD : REPLY_AUTH_TEMP;
	verdict->rule = "pop3-wanted";
	return true;
}

static void
find_class(const struct classifier *classifier, enum phase phase, const struct reply *reply,
    const char *words, struct verdict *verdict)
{
	const struct reply_seen seen = {
	    .provider = classifier->provider != NULL ? classifier->provider : "",
	    .phase = phase,
	    .code = reply->code,
	    .enhanced = reply->enhanced,
	    .text = words,
	};
	const struct reply_rule *rule = reply_rules_find(classifier->rules, &seen);
	int64_t now_ms = classifier->now_ms != NULL ? classifier->now_ms() : clock_wall_ms();
	uint32_t wait_s;
	bool has_time = reply->code >= 400 && reply_time_find(words, now_ms, &wait_s);

	if (rule != NULL) {
		verdict->class = rule->class;
		verdict->wait = rule->wait;
		verdict->rule = rule->id;
		verdict->advice = rule->advice;
		verdict->is_alerted = rule->is_alerted;
	} else {
		verdict->class = phase < PHASE_MAIL ? class_before_mail(phase, reply->code)
						    : class_in_transaction(phase, reply, words);
		verdict->rule = phase < PHASE_MAIL || phase == PHASE_RCPT ? "by-phase" : "by-code";
		if (has_time) {
			verdict->class = class_with_time(phase, verdict->class);
			verdict->rule = "by-time";
		}
	}
	if (has_time && is_waiting_class(verdict->class))
		verdict->wait = (struct reply_wait){wait_s, wait_s, true};
}

/* Before MAIL nobody's mail is talked of. */
static void
judge(const struct classifier *classifier, enum phase phase, const struct reply *reply,
    struct verdict *verdict)
{
	char own[REPLY_TEXT_MAX + 1];
	const char *words = reply->text;

	if (phase >= PHASE_MAIL) {
		own_words(reply->text, classifier->envelope, own);
		words = own;
	}
	if (!find_pop3(classifier, phase, reply, words, verdict))
		find_class(classifier, phase, reply, words, verdict);
}

/* ---- what follows from it ---- */

static enum attempt_outcome outcome_of(enum reply_class class)
{
	switch (class) {
	case REPLY_AUTH_BAD:
	case REPLY_AUTH_POLICY:
		return ATTEMPT_AUTH_REFUSED;
	case REPLY_AUTH_TEMP:
	case REPLY_RATE_AUTH:
		return ATTEMPT_AUTH_LATER;
	case REPLY_TLS:
	case REPLY_TLS_TEMP:
	case REPLY_TLS_REQUIRED:
		return ATTEMPT_TLS;
	case REPLY_MISCONFIGURED:
		return ATTEMPT_MISCONFIGURED;
	default:
		/* Whatever it is, there was nothing of a message in it. */
		return reply_class_is_account(class) && class != REPLY_UNREACHABLE
			   ? ATTEMPT_PUT_OFF
			   : ATTEMPT_UNREACHABLE;
	}
}

static enum fate
fate_of(enum phase phase, const struct reply *reply, enum reply_class class)
{
	bool is_later = class == REPLY_RATE_RCPT || class == REPLY_SENDER_DENIED ||
			class == REPLY_TEMPORARY || class == REPLY_SPLIT ||
			(phase == PHASE_RCPT && reply->code == 552);

	return is_for_good(reply->code) && !is_later ? FATE_FAILED : FATE_DEFERRED;
}

struct verdict
classify_reply(const struct classifier *classifier, enum phase phase, const struct reply *reply)
{
	struct verdict verdict = {.outcome = ATTEMPT_ATTEMPTED, .fate = FATE_DEFERRED};
	uint16_t code = reply->code;

	if (is_success(phase, code)) {
		verdict.fate = FATE_DELIVERED;
		return verdict;
	}
	judge(classifier, phase, reply, &verdict);
	if (phase < PHASE_MAIL || reply_class_is_account(verdict.class)) {
		verdict.outcome = outcome_of(verdict.class);
		verdict.is_over = true;
		return verdict;
	}
	verdict.fate = fate_of(phase, reply, verdict.class);
	verdict.is_over = code == 421 || !(is_for_now(code) || is_for_good(code));
	verdict.is_slower = code == 421 && verdict.class == REPLY_TEMPORARY;
	return verdict;
}

struct verdict
classify_own(enum attempt_outcome outcome)
{
	static const enum reply_class classes[] = {[ATTEMPT_UNREACHABLE] = REPLY_UNREACHABLE,
	    [ATTEMPT_TLS] = REPLY_TLS,
	    [ATTEMPT_AUTH_REFUSED] = REPLY_AUTH_BAD,
	    [ATTEMPT_AUTH_LATER] = REPLY_AUTH_TEMP,
	    [ATTEMPT_MISCONFIGURED] = REPLY_MISCONFIGURED,
	    [ATTEMPT_PUT_OFF] = REPLY_RATE};

	return (struct verdict){.outcome = outcome,
	    .fate = FATE_DEFERRED,
	    .is_over = true,
	    .class = outcome < sizeof(classes) / sizeof(classes[0]) ? classes[outcome] : REPLY_NONE,
	    .rule = "own"};
}

struct verdict
classify_loss(enum phase phase)
{
	struct verdict verdict = {.outcome = ATTEMPT_ATTEMPTED,
	    .is_over = true,
	    .class = REPLY_TEMPORARY,
	    .rule = "lost"};

	if (phase < PHASE_MAIL) {
		verdict = classify_own(phase == PHASE_STARTTLS || phase == PHASE_TLS
					   ? ATTEMPT_TLS
					   : ATTEMPT_UNREACHABLE);
		verdict.rule = "lost";
		return verdict;
	}
	verdict.fate = phase == PHASE_DOT ? FATE_UNCERTAIN : FATE_DEFERRED;
	return verdict;
}

struct verdict
classify_unsplittable(const struct verdict *split)
{
	struct verdict verdict = *split;

	verdict.class = REPLY_RATE;
	verdict.outcome = ATTEMPT_PUT_OFF;
	verdict.fate = FATE_DEFERRED;
	verdict.is_over = true;
	return verdict;
}

bool
verdict_is_unknown(const struct verdict *verdict, enum phase phase, const struct reply *reply)
{
	return verdict->outcome == ATTEMPT_ATTEMPTED && verdict->class == REPLY_TEMPORARY &&
	       is_for_now(reply->code) && verdict->wait.first_s == 0 && phase != PHASE_RCPT;
}
