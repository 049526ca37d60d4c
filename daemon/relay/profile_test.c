/* profile_test - `posternctl profile test` as relay does it. */
#include "daemon/relay/profile_test.h"

#include "common/clock.h"
#include "common/list.h"
#include "common/xalloc.h"
#include "daemon/core/loop.h"
#include "daemon/core/result.h"
#include "daemon/relay/call_path.h"
#include "daemon/relay/capture.h"
#include "daemon/relay/channel.h"
#include "daemon/relay/diagnosis.h"
#include "daemon/relay/hostlist.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FETCH_MS (10 * 1000)
#define TESTS_MAX 16
#define TRANSCRIPT_MAX 500 /* lines */

struct profile_tests {
	struct role_context *role;
	struct dns *dns;
	struct pool *pool;
	const struct profile_surroundings *surroundings;
	struct list running;
	unsigned count;
	uint64_t captured; /* part of the names of files */
};

struct test {
	struct list link;
	struct profile_tests *tests;
	struct link *control; /* NULL: nobody waits any more */
	uint32_t request_id;
	uint32_t fetch;
	struct profile *profile;
	struct channel *channel;
	struct capture *capture; /* instead of the channel */
	struct client_transaction mail;
	struct client_recipient recipient;
	char *name;                                /* of the profile, as the caller wrote it */
	char *to;                                  /* NULL: no mail is sent */
	json_t *steps, *failed_hosts, *transcript; /* transcript NULL: not asked for */
	int64_t begun_at_ms;
	bool has_sent;
};

/* ---- the answer ---- */

static void
test_free(struct test *test)
{
	struct link *accounts = role_link(test->tests->role, ROLE_ACCOUNTS, 0);

	if (test->channel != NULL)
		channel_close(test->channel);
	if (test->capture != NULL)
		capture_cancel(test->capture);
	if (test->fetch != 0 && accounts != NULL)
		link_cancel(accounts, test->fetch);
	list_remove(&test->link);
	test->tests->count--;
	profile_release(test->profile);
	client_transaction_reset(&test->mail);
	json_decref(test->steps);
	json_decref(test->failed_hosts);
	json_decref(test->transcript);
	free(test->name);
	free(test->to);
	free(test);
}

static void
end_with_error_at(
    struct test *test, uint16_t status, const char *code, const char *message, const char *field)
{
	result_send(test->control, test->request_id, status, result_error(code, message, field));
	test_free(test);
}

static void
end_with_error(struct test *test, uint16_t status, const char *code, const char *message)
{
	end_with_error_at(test, status, code, message, NULL);
}

static void
end_unknown(struct test *test)
{
	char *message = xasprintf("there is no profile %s; profile ls shows them", test->name);

	end_with_error(test, 404, "not_found", message);
	free(message);
}

/* Ends the test; `diagnosis` NULL: everything worked. `failure` NULL: no upstream is to blame. */
static void
end_judged(struct test *test, const char *diagnosis, const struct client_end *failure)
{
	const struct profile *profile = test->profile;
	const struct channel_facts *facts =
	    test->channel != NULL ? channel_facts(test->channel) : NULL;
	json_t *answer = json_pack("{s:b,s:O,s:s,s:O,s:i,s:s,s:s,s:s,s:s*,s:s*}", "ok",
	    diagnosis == NULL, "steps", test->steps, "host",
	    facts != NULL ? facts->host : hostlist_name(profile->hosts, 0), "failed_hosts",
	    test->failed_hosts, "port", (int)profile->port, "username", profile->username, "method",
	    facts != NULL ? facts->auth : "", "tls", facts != NULL ? facts->tls : "", "diagnosis",
	    diagnosis, "provider", profile->provider[0] != '\0' ? profile->provider : NULL);

	ensure(answer != NULL);
	if (failure != NULL) {
		(void)json_object_set_new(
		    answer, "class", json_string(reply_class_name(failure->verdict.class)));
		(void)json_object_set_new(answer, "rule", json_string(failure->verdict.rule));
		if (failure->fingerprint[0] != '\0')
			(void)json_object_set_new(
			    answer, "fingerprint", json_string(failure->fingerprint));
	}
	if (test->transcript != NULL)
		(void)json_object_set(answer, "transcript", test->transcript);
	result_send(test->control, test->request_id, 200, answer);
	test_free(test);
}

static void
end(struct test *test, const char *diagnosis)
{
	end_judged(test, diagnosis, NULL);
}

/* ---- steps ---- */

static void
add_step(struct test *test, const char *name, bool is_ok, int64_t took_ms, const char *detail)
{
	(void)json_array_append_new(
	    test->steps, json_pack("{s:s,s:b,s:I,s:o}", "step", name, "ok", is_ok, "ms",
			     (json_int_t)took_ms, "detail", result_text(detail)));
}

static void
on_step(struct channel *channel, const struct channel_step *step, void *ctx)
{
	struct test *test = ctx;

	add_step(test, phase_name(step->phase), true, step->took_ms, step->detail);
	test->begun_at_ms = loop_now_ms(test->tests->role->loop);
}

static void
on_line(bool is_sent, const char *line, void *ctx)
{
	struct test *test = ctx;
	char *text;

	if (test->transcript == NULL || json_array_size(test->transcript) >= TRANSCRIPT_MAX)
		return;
	text = xasprintf("%s %s", is_sent ? "C:" : "S:", line);
	(void)json_array_append_new(test->transcript, result_text(text));
	free(text);
}

static void
add_failed_step(struct test *test, const struct client_end *failure)
{
	int64_t now_ms = loop_now_ms(test->tests->role->loop);
	char fact[1100];

	add_step(test, phase_name(failure->phase), false, now_ms - test->begun_at_ms,
	    diagnosis_fact(failure, fact, sizeof(fact)));
	test->begun_at_ms = now_ms;
}

static void
on_host_failed(struct channel *channel, const struct client_end *failure, void *ctx)
{
	struct test *test = ctx;

	add_failed_step(test, failure);
	(void)json_array_append_new(test->failed_hosts, json_string(channel_facts(channel)->host));
}

static void
end_failed(struct test *test, const struct client_end *failure)
{
	char advice[DIAGNOSIS_ADVICE_SIZE];

	add_failed_step(test, failure);
	end_judged(test, diagnosis_advice(test->profile, failure, advice, sizeof(advice)), failure);
}

static const char *
mail_sender(const struct test *test)
{
	const struct profile *profile = test->profile;

	if (profile->envelope_sender[0] != '\0')
		return profile->envelope_sender;
	if (profile->from[0] != '\0')
		return profile->from;
	return strchr(profile->username, '@') != NULL ? profile->username : test->to;
}

static const char *
header_sender(const struct test *test)
{
	return test->profile->from[0] != '\0' ? test->profile->from : mail_sender(test);
}

static void
on_ready(struct channel *channel, void *ctx)
{
	struct test *test = ctx;

	if (test->to == NULL || test->has_sent) {
		channel_finish(channel);
		end(test, NULL);
		return;
	}
	test->has_sent = true;
	test->begun_at_ms = loop_now_ms(test->tests->role->loop);
	test->recipient.address = test->to;
	test->mail.sender = mail_sender(test);
	test->mail.recipients = &test->recipient;
	test->mail.recipient_count = 1;
	test->mail.size_bytes = 1024;
	channel_send(channel, &test->mail);
}

/* The test message; slice_release() it. */
static struct slice
make_body(const struct test *test)
{
	int64_t wall_ms = loop_wall_ms(test->tests->role->loop);
	char date[CLOCK_RFC5322_SIZE];
	char *text = xasprintf("From: <%s>\r\nTo: <%s>\r\nSubject: postern test of profile %s\r\n"
			       "Date: %s\r\nMessage-ID: <%lld.test@%s>\r\n\r\n"
			       "This message was sent to test the profile %s.\r\n",
	    header_sender(test), test->to, test->profile->name,
	    clock_rfc5322(wall_ms, date, sizeof(date)), (long long)wall_ms,
	    test->profile->ehlo_name, test->profile->name);
	struct slice slice = {
	    .chunk = chunk_from(text, (uint32_t)strlen(text)), .size = (uint32_t)strlen(text)};

	free(text);
	return slice;
}

static void
on_body_wanted(struct channel *channel, void *ctx)
{
	struct slice slice = make_body(ctx);

	channel_body(channel, &slice);
	channel_body_end(channel);
	slice_release(&slice);
}

static void
on_done(struct channel *channel, void *ctx)
{
	struct test *test = ctx;
	const struct client_transaction *mail = &test->mail;
	const struct reply *reply =
	    test->recipient.refusal != NULL ? test->recipient.refusal : &mail->reply;
	struct client_end failure = {
	    .phase = mail->phase, .verdict = mail->verdict, .reply = *reply};

	if (test->recipient.refusal != NULL) {
		failure.phase = PHASE_RCPT;
		failure.verdict = test->recipient.verdict;
	}

	if (test->recipient.refusal != NULL || mail->verdict.outcome != ATTEMPT_ATTEMPTED ||
	    mail->verdict.fate != FATE_DELIVERED)
		end_failed(test, &failure);
	else
		add_step(test, "mail", true,
		    loop_now_ms(test->tests->role->loop) - test->begun_at_ms, reply->text);
}

static void
on_closed(struct channel *channel, const struct client_end *failure, void *ctx)
{
	struct test *test = ctx;

	if (test->has_sent) /* after its mail was taken */
		end(test, NULL);
	else
		end_failed(test, failure);
}

/* ---- into a Maildir ---- */

static void
on_written(struct capture *capture, uint32_t bytes, void *ctx)
{
	/* one small message: there is no more to come */
}

static void
on_captured(struct capture *capture, const char *problem, void *ctx)
{
	struct test *test = ctx;
	const char *detail = problem != NULL ? problem : "captured";

	test->capture = NULL;
	add_step(test, "mail", problem == NULL,
	    loop_now_ms(test->tests->role->loop) - test->begun_at_ms, detail);
	end(test, problem);
}

static void
capture_mail(struct test *test)
{
	static const struct capture_callbacks callbacks = {on_written, on_captured};
	struct loop *loop = test->tests->role->loop;
	char *name = xasprintf("%lld.P%ldT%llu.test", (long long)(loop_wall_ms(loop) / 1000),
	    (long)getpid(), (unsigned long long)++test->tests->captured);
	struct slice slice = make_body(test);

	test->begun_at_ms = loop_now_ms(loop);
	test->capture = capture_new(test->tests->pool, test->profile->capture, name,
	    xasprintf("Return-Path: <%s>\r\nDelivered-To: %s\r\n", mail_sender(test), test->to),
	    &callbacks, test);
	capture_write(test->capture, &slice);
	capture_push(test->capture, true);
	slice_release(&slice);
	free(name);
}

static void
walk_capture(struct test *test)
{
	struct err err;

	if (capture_check_path(test->profile->capture, &err) != 0) {
		add_step(test, "capture", false, 0, err.text);
		end(test, err.text);
		return;
	}
	add_step(test, "capture", true, 0, test->profile->capture);
	if (test->to != NULL)
		capture_mail(test);
	else
		end(test, NULL);
}

/* ---- the beginning ---- */

static void
walk(struct test *test)
{
	static const struct channel_callbacks callbacks = {
	    .on_ready = on_ready,
	    .on_body_wanted = on_body_wanted,
	    .on_done = on_done,
	    .on_closed = on_closed,
	    .on_host_failed = on_host_failed,
	    .on_step = on_step,
	    .on_line = on_line,
	};

	if (test->profile->problem != NULL) {
		add_step(test, "settings", false, 0, test->profile->problem);
		end(test, test->profile->problem);
	} else if (test->profile->capture[0] != '\0') {
		walk_capture(test);
	} else {
		test->channel = channel_open(
		    test->tests->role->loop, test->tests->dns, test->profile, &callbacks, test);
	}
}

static void
on_profile(const union message *answer, void *ctx)
{
	struct test *test = ctx;

	test->fetch = 0;
	if (answer == NULL) {
		end_with_error(test, 503, "unavailable", "accounts does not answer, try again");
		return;
	}
	if (answer->profile.profile_id == 0) {
		end_unknown(test);
		return;
	}
	test->profile = profile_new(&answer->profile, test->tests->surroundings);
	test->profile->is_tested = true;
	walk(test);
}

static bool
is_address(const char *text)
{
	const char *at = strchr(text, '@');

	return at != NULL && at != text && at[1] != '\0' && strlen(text) < 1000 &&
	       strpbrk(text, " <>\r\n\t") == NULL;
}

/* What is wrong with the body, or NULL; *field_out is the member that it is about, NULL: all. */
static const char *
check_options(json_t *options, const char **field_out)
{
	const char *name;
	json_t *value;

	*field_out = NULL;
	if (!json_is_object(options))
		return "the body must be a JSON object";
	json_object_foreach(options, name, value)
	{
		*field_out = name;
		if (strcmp(name, "to") == 0) {
			if (!json_is_string(value) || !is_address(json_string_value(value)))
				return "to: must be an address";
		} else if (strcmp(name, "transcript") == 0) {
			if (!json_is_boolean(value))
				return "transcript: must be true or false";
		} else {
			return "a test has no such field; allowed are: to, transcript";
		}
	}
	return NULL;
}

/* False: the call was refused, and the test is gone. */
static bool
read_options(struct test *test, struct msg_bytes body)
{
	json_t *options = body.size > 0 ? json_loadb((const char *)body.at, body.size,
					      JSON_REJECT_DUPLICATES, NULL)
					: json_object();
	const char *field;
	const char *problem = check_options(options, &field);
	const char *to = json_string_value(json_object_get(options, "to"));

	if (problem != NULL) {
		end_with_error_at(test, 400, "invalid", problem, field);
	} else {
		if (to != NULL)
			test->to = xstrdup(to);
		if (json_is_true(json_object_get(options, "transcript")))
			test->transcript = json_array();
	}
	json_decref(options);
	return problem == NULL;
}

static struct test *
test_new(struct profile_tests *tests, struct link *control, uint32_t request_id)
{
	struct test *test = xcalloc(1, sizeof(*test));

	test->tests = tests;
	test->control = control;
	test->request_id = request_id;
	test->steps = json_array();
	test->failed_hosts = json_array();
	test->begun_at_ms = loop_now_ms(tests->role->loop);
	list_append(&tests->running, &test->link);
	tests->count++;
	return test;
}

void
profile_tests_call(
    struct profile_tests *tests, struct link *control, const struct link_message *message)
{
	const struct msg_call *call = &message->body->call;
	struct link *accounts = role_link(tests->role, ROLE_ACCOUNTS, 0);
	struct msg_profile_get get = {0};
	struct test *test = test_new(tests, control, message->request_id);

	test->name = call_path_profile(call->path, "/test");
	if (test->name == NULL) {
		end_with_error(test, 404, "not_found", "relay knows /v1/profiles/NAME/test only");
	} else if (strcmp(call->method, "POST") != 0) {
		end_with_error(test, 405, "method_not_allowed", "use POST");
	} else if (!read_options(test, call->body)) {
		/* it was answered */
	} else if (tests->count > TESTS_MAX) {
		end_with_error(test, 503, "busy", "too many profile tests are running");
	} else if (accounts == NULL) {
		end_with_error(test, 503, "unavailable", "accounts is not there, try again");
	} else {
		get.name = test->name;
		test->fetch =
		    link_request(accounts, MSG_PROFILE_GET, &get, FETCH_MS, on_profile, test);
	}
}

void
profile_tests_forget(struct profile_tests *tests, const struct link *control)
{
	LIST_EACH (&tests->running, at)
		if (LIST_ENTRY(at, struct test, link)->control == control)
			LIST_ENTRY(at, struct test, link)->control = NULL;
}

struct profile_tests *
profile_tests_new(struct role_context *role, struct dns *dns, struct pool *pool,
    const struct profile_surroundings *surroundings)
{
	struct profile_tests *tests = xcalloc(1, sizeof(*tests));

	tests->role = role;
	tests->dns = dns;
	tests->pool = pool;
	tests->surroundings = surroundings;
	list_init(&tests->running);
	return tests;
}

void
profile_tests_free(struct profile_tests *tests)
{
	LIST_EACH_SAFE (&tests->running, at, next)
		test_free(LIST_ENTRY(at, struct test, link));
	free(tests);
}
