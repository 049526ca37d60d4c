/* profile_test - `posternctl profile test` as relay does it. */
#include "daemon/relay/profile_test.h"

#include "common/list.h"
#include "common/xalloc.h"
#include "daemon/core/loop.h"
#include "daemon/core/result.h"
#include "daemon/relay/call_path.h"
#include "daemon/relay/capture.h"
#include "daemon/relay/capture_delivery.h"
#include "daemon/relay/channel.h"
#include "daemon/relay/diagnosis.h"
#include "daemon/relay/hostlist.h"
#include "daemon/relay/test_mail.h"
#include "daemon/relay/test_options.h"

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
	struct reworks *reworks;
	struct deliveries *mails; /* of the tests */
	uint64_t mail_count;
};

struct test {
	struct list link;
	struct profile_tests *tests;
	struct link *control;
	uint32_t request_id;
	uint32_t fetch;
	struct profile *profile;
	struct channel *channel;
	struct delivery *mail; /* NULL: there is none yet; its capture is instead of the channel */
	char *name;            /* of the profile, as the caller wrote it */
	char *to;              /* NULL: no mail is sent */
	json_t *steps, *failed_hosts, *transcript; /* transcript NULL: not asked for */
	int64_t begun_at_ms;
	bool is_taken;     /* its mail */
	bool has_progress; /* the caller hears of each step at once */
};

/* ---- the answer ---- */

static void
test_free(struct test *test)
{
	struct link *accounts = role_link(test->tests->role, ROLE_ACCOUNTS, 0);

	if (test->channel != NULL)
		channel_close(test->channel);
	if (test->mail != NULL && test->mail->capture != NULL)
		capture_cancel(test->mail->capture);
	if (test->mail != NULL)
		delivery_drop(test->mail);
	if (test->fetch != 0 && accounts != NULL)
		link_cancel(accounts, test->fetch);
	list_remove(&test->link);
	test->tests->count--;
	profile_release(test->profile);
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
tell_step(const struct test *test, const json_t *step)
{
	struct msg_progress progress = {.call = test->request_id};
	char *text;

	if (!test->has_progress)
		return;
	text = json_dumps(step, RESULT_FLAGS);
	ensure(text != NULL);
	progress.line = (struct msg_bytes){(const uint8_t *)text, (uint32_t)strlen(text)};
	link_send(test->control, MSG_PROGRESS, &progress);
	free(text);
}

static void
add_step(struct test *test, const char *name, bool is_ok, int64_t took_ms, const char *detail)
{
	json_t *step = json_pack("{s:s,s:b,s:I,s:o}", "step", name, "ok", is_ok, "ms",
	    (json_int_t)took_ms, "detail", result_text(detail));

	(void)json_array_append_new(test->steps, step);
	tell_step(test, step);
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

/* ---- into a Maildir ---- */

static void
on_written(struct capture *capture, uint32_t bytes, void *ctx)
{
	struct test *test = ctx;

	delivery_give_credit(test->mail, bytes);
}

static void
on_captured(struct capture *capture, const char *problem, void *ctx)
{
	struct test *test = ctx;
	const char *detail = problem != NULL ? problem : "captured";

	test->mail->capture = NULL;
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
	    (long)getpid(), (unsigned long long)test->tests->mail_count);

	test->mail->capture = capture_new(test->tests->pool, test->profile->capture, name,
	    xasprintf("Return-Path: <%s>\r\nDelivered-To: %s\r\n", test->mail->transaction.sender,
		test->to),
	    &callbacks, test);
	capture_delivery_continue(test->mail);
	free(name);
}

/* ---- the mail ---- */

static void
end_without_mail(struct test *test, const char *why)
{
	add_step(
	    test, "mail", false, loop_now_ms(test->tests->role->loop) - test->begun_at_ms, why);
	end(test, why);
}

static void
send_mail(struct test *test)
{
	delivery_set_sender(test->mail, test->profile->envelope_sender);
	if (test->channel != NULL)
		channel_send(test->channel, &test->mail->transaction);
	else
		capture_mail(test);
}

static void
on_reworked(struct delivery *mail, enum rework_end rework_end)
{
	struct test *test = mail->owner;

	if (rework_end == REWORK_READY)
		send_mail(test);
	else if (rework_end == REWORK_ABSENT)
		end_without_mail(test, "the mime process, which changes messages as the profile "
				       "asks, does not run");
	else
		end_without_mail(test, mail->transaction.reply.text);
}

static void
begin_mail(struct test *test)
{
	struct profile_tests *tests = test->tests;
	bool lacks_8bitmime = test->channel != NULL && channel_lacks_8bitmime(test->channel);
	const struct test_mail mail = {
	    .profile = test->profile,
	    .to = test->to,
	    .number = ++tests->mail_count,
	    .wall_ms = loop_wall_ms(tests->role->loop),
	    .owner = test,
	};

	test->begun_at_ms = loop_now_ms(tests->role->loop);
	test->mail = test_mail_new(tests->mails, &mail);
	if (test->mail == NULL)
		end_without_mail(test, "an address has characters that SMTP can't carry");
	else if (rework_is_needed(tests->reworks, test->mail, test->profile, lacks_8bitmime))
		rework_start(
		    tests->reworks, test->mail, test->profile, lacks_8bitmime, on_reworked);
	else
		send_mail(test);
}

static void
on_ready(struct channel *channel, void *ctx)
{
	struct test *test = ctx;

	if (test->to != NULL && test->mail == NULL) {
		begin_mail(test);
		return;
	}
	channel_finish(channel);
	end(test, NULL);
}

static void
on_body_wanted(struct channel *channel, void *ctx)
{
	struct test *test = ctx;

	(void)delivery_pump(test->mail, channel, UINT32_MAX);
}

static void
on_done(struct channel *channel, void *ctx)
{
	struct test *test = ctx;
	const struct client_transaction *mail = &test->mail->transaction;
	const struct client_recipient *recipient = &mail->recipients[0];
	bool is_refused = recipient->refusal != NULL;
	const struct reply *reply = is_refused ? recipient->refusal : &mail->reply;
	struct client_end failure = {
	    .phase = is_refused ? PHASE_RCPT : mail->phase,
	    .verdict = is_refused ? recipient->verdict : mail->verdict,
	    .reply = *reply,
	};

	test->is_taken = !is_refused && mail->verdict.outcome == ATTEMPT_ATTEMPTED &&
			 mail->verdict.fate == FATE_DELIVERED;
	if (test->is_taken)
		add_step(test, "mail", true,
		    loop_now_ms(test->tests->role->loop) - test->begun_at_ms, reply->text);
	else
		end_failed(test, &failure);
}

static void
on_closed(struct channel *channel, const struct client_end *failure, void *ctx)
{
	struct test *test = ctx;

	if (test->is_taken)
		end(test, NULL);
	else
		end_failed(test, failure);
}

/* ---- without an upstream ---- */

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
		begin_mail(test);
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

/* False: the call was refused, and the test is gone. */
static bool
read_options(struct test *test, struct msg_bytes body)
{
	json_t *options = body.size > 0 ? json_loadb((const char *)body.at, body.size,
					      JSON_REJECT_DUPLICATES, NULL)
					: json_object();
	const char *field;
	const char *problem = test_options_check(options, &field);
	const char *to = json_string_value(json_object_get(options, "to"));

	if (problem != NULL) {
		end_with_error_at(test, 400, "invalid", problem, field);
	} else {
		if (to != NULL)
			test->to = xstrdup(to);
		if (json_is_true(json_object_get(options, "transcript")))
			test->transcript = json_array();
		test->has_progress = json_is_true(json_object_get(options, "progress"));
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
	LIST_EACH_SAFE (&tests->running, at, next) {
		struct test *test = LIST_ENTRY(at, struct test, link);

		if (test->control == control)
			test_free(test);
	}
}

void
profile_tests_set_mime_link(struct profile_tests *tests, struct link *link)
{
	deliveries_set_mime_link(tests->mails, link);
	if (link != NULL)
		return;
	LIST_EACH_SAFE (&tests->running, at, next) {
		struct test *test = LIST_ENTRY(at, struct test, link);

		if (test->mail != NULL && test->mail->rework != NULL &&
		    rework_is_lost(test->mail->rework))
			end_without_mail(test, "the mime process ended");
	}
}

void
profile_tests_on_body(struct profile_tests *tests, const struct link_message *message)
{
	struct delivery *mail = deliveries_find(tests->mails, message->body->body.stream);
	struct test *test;

	if (mail == NULL || mail->is_complete || !mail->is_from_mime)
		return; /* it has ended meanwhile */
	test = mail->owner;
	delivery_add_body(mail, message);
	rework_on_return(mail->rework);
	if (mail->capture != NULL)
		capture_delivery_continue(mail);
	else if (test->channel != NULL && channel_takes_body(test->channel))
		(void)delivery_pump(mail, test->channel, UINT32_MAX);
}

struct profile_tests *
profile_tests_new(struct role_context *role, struct dns *dns, struct pool *pool,
    const struct profile_surroundings *surroundings, struct reworks *reworks)
{
	struct profile_tests *tests = xcalloc(1, sizeof(*tests));

	tests->role = role;
	tests->dns = dns;
	tests->pool = pool;
	tests->surroundings = surroundings;
	tests->reworks = reworks;
	tests->mails = deliveries_new(role->loop, NULL);
	list_init(&tests->running);
	return tests;
}

void
profile_tests_free(struct profile_tests *tests)
{
	LIST_EACH_SAFE (&tests->running, at, next)
		test_free(LIST_ENTRY(at, struct test, link));
	deliveries_free(tests->mails);
	free(tests);
}
